"""The exercises' stubs and folded solutions, read from the notebooks, and the usual mistakes."""

import ast
import re
from pathlib import Path
from textwrap import indent

import nbformat

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SOLUTION = re.compile(
    r"<details><summary>A solution</summary>\n\n```python\n(.*?)\n```\n\n</details>", re.DOTALL
)


def exercises():
    """(name, imports, stub, solution) of every exercise, the name as in "02-kl"."""
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        imports = imported([cell.source for cell in notebook.cells if cell.cell_type == "code"])
        cells = {cell.id: cell.source for cell in notebook.cells}
        for cell_id, stub in cells.items():
            if "-try-" in cell_id:
                solution = SOLUTION.search(cells[cell_id.replace("try", "exercise")])
                yield cell_id.replace("-try", ""), imports, stub, solution[1]


def imported(sources):
    """The imports at a notebook's head, after its set-up cell, which has a line of IPython's."""
    head = next(n for n, source in enumerate(sources) if "from vaelib import" in source)
    nodes = ast.parse("\n".join(sources[1 : head + 1])).body
    return "\n".join(
        ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)
    )


EXERCISES = {name: rest for name, *rest in exercises()}

# exercise → what a reader writes under the stub's first line → what the hint speaks of. "A => B"
# changes A in the folded solution into B. The first of each is what a reader's page is tried with.
MISTAKES = {
    "01-pixels": {
        "return images.flatten(1).float()": "divide them",
        "return images.flatten(1) / 256": "255, not 256",
        "return images.flatten(1) // 255 * 1.0": "whole numbers",
        "return images / 255": "row of 784",
        "return images.flatten() / 255": "one long row",
    },
    "01-splits": {
        "i = np.random.default_rng(0).permutation(70_000)\n"
        "return i[:50_000], i[50_000:60_000], i[60_000:]": "test images are in the training set",
        "return range(50_000), range(60_000, 70_000), range(60_000, 70_000)": (
            "in the validation set"
        ),
        "return range(60_000), range(50_000, 60_000), range(60_000, 70_000)": (
            "10,000 images are in training and in validation"
        ),
        "return range(50_000), range(50_000, 60_000), range(60_000, 69_999)": (
            "all of them and no other"
        ),
        "return range(40_000), range(50_000, 60_000), range(60_000, 70_000)": (
            r"should hold \(50000, 10000\)"
        ),
        "return range(60_000), range(60_000, 70_000)": "three sets",
        "return range(50_000), ..., range(60_000, 70_000)": "three parts is still empty",
    },
    "01-likelihood": {
        "p = logits.sigmoid()\n"
        "return -(pixels * p.log() + (1 - pixels) * (1 - p).log()).sum(dim=1)": "sign is turned",
        "p = logits.sigmoid()\n"
        "return (pixels * p.log() + (1 - pixels) * (1 - p).log()).mean(dim=1)": (
            "mean over the 784 pixels"
        ),
        "loss = torch.nn.functional.binary_cross_entropy_with_logits\n"
        "return loss(logits, pixels, reduction='none').mean(dim=1)": "mean over pixels, and",
        "p = logits.sigmoid()\n"
        "return (pixels * p.log() + (1 - pixels) * (1 - p).log()).sum()": "for the whole batch",
        "p = logits.sigmoid()\n"
        "return pixels * p.log() + (1 - pixels) * (1 - p).log()": "one value per pixel",
        "return (pixels * logits.sigmoid().log()).sum(dim=1)": "paper is not",
        "return (pixels * logits.log() + (1 - pixels) * (1 - logits).log()).sum(dim=1)": (
            "taken for probabilities"
        ),
        "p = logits.sigmoid()\n"
        "return (pixels * p.log() + (1 - pixels) * (1 - p).log()).sum(dim=1)": "logit of 120",
    },
    "01-baseline": {
        "return torch.zeros(len(new_images)).long()": "what guessing gives",
        "from sklearn.linear_model import LogisticRegression\n"
        "classifier = LogisticRegression(max_iter=1000).fit(vaelib.to_pixels(images), labels)\n"
        "return classifier.predict(vaelib.to_pixels(new_images))": "the bar is 80%",
        "return mnist.test.labels[: len(new_images)]": "what guessing gives",
        "x = vaelib.to_pixels(new_images)\n"
        "x = x - x.mean(dim=0)\n"
        "c = x[: len(x) // 7].norm(dim=1)\n"
        "return (x @ x.mean(dim=0) + x.norm(dim=1) - c.mean() > 0).long()": (
            "other new images stand beside it"
        ),
        "return labels": r"Return one class for each new image, \(2000,\)",
    },
    "02-sample": {
        "return mean + log_variance.exp() * noise": r"exp\(½ log σ²\)",
        "return mean + log_variance * noise": "may be negative",
        "return mean + noise": "scale it by σ",
        "return mean * 1": "noise is missing",
        "return torch.exp(0.5 * log_variance) * noise": "μ is missing",
        "return mean + torch.exp(-0.5 * log_variance) * noise": "inverted",
        "return mean + torch.exp(0.5 * log_variance.detach()) * noise": (
            "no gradient reaches log σ²"
        ),
        "return (mean + torch.exp(0.5 * log_variance) * noise).detach()": "no gradient passes",
    },
    "02-kl": {
        "return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean(dim=1)": (
            "mean over the latents"
        ),
        "return -0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)": (
            "never negative"
        ),
        "return (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)": "½",
        "return 0.5 * (mean**2 + torch.exp(0.5 * log_variance) - 1 - log_variance).sum(dim=1)": (
            r"exp\(½ log σ²\) is σ"
        ),
        "return 0.5 * (mean + log_variance.exp() - 1 - log_variance).sum(dim=1)": "enters squared",
        "return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()": (
            "for the whole batch"
        ),
        "return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()": (
            "mean over the batch"
        ),
        "return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)": "per latent",
    },
    "02-loss": {
        "return vaelib.vae.elbo(model, pixels, generator).elbo.mean()": "turn the sign",
        "t = vaelib.vae.elbo(model, pixels, generator)\n"
        "return (t.kl - t.reconstruction / 784).mean()": "784 times too much",
        "t = vaelib.vae.elbo(model, pixels, generator)\n"
        "return -(t.reconstruction + t.kl).mean()": "KL is subtracted",
        "return -vaelib.vae.elbo(model, pixels, generator).reconstruction.mean()": "KL is missing",
        "return -vaelib.vae.elbo(model, pixels, generator).elbo.sum()": "over the batch",
        "return -vaelib.vae.elbo(model, pixels, generator).elbo": "one value per image",
        "m, v = model.encode(pixels)\n"
        "x = vaelib.vae.bernoulli_log_likelihood(model.decode(m), pixels)\n"
        "return (vaelib.vae.gaussian_kl(m, v) - x).mean()": "decoded in place of a sample",
        "return -vaelib.vae.elbo(model, pixels, generator).elbo.mean().item()": "no gradient",
    },
    "02-beta": {
        "return vaelib.MLP.build()": "hardly learned",
        "return images.__dict__.setdefault('model', vaelib.MLP.build())": "the same model",
        "beta * terms.kl - terms.reconstruction => terms.kl - beta * terms.reconstruction": (
            "the KL grew"
        ),
        "beta * terms.kl - terms.reconstruction => terms.kl - terms.reconstruction": (
            "no difference"
        ),
        "beta * terms.kl - terms.reconstruction => beta * terms.kl + terms.reconstruction": (
            "hardly learned"
        ),
    },
    "03-active": {
        "return posterior.mean.std(dim=0) > 0.01": "standard deviation",
        "return posterior.mean.var(dim=0) < 0.01": "the opposite",
        "return posterior.variance.mean(dim=0) > 0.01": "encoder's own",
        "return abs(posterior.mean.mean(dim=0)) > 0.01": "the same for every image",
        "return posterior.mean.var(dim=1) > 0.01": "over the latents",
        "return (posterior.mean.var(dim=0) > 0.01).sum()": "how many",
        "return posterior.mean.var(dim=0)": "Those are the variances",
    },
    "03-neighbours": {
        "distance = np.linalg.norm(features[:, None] - features[None], axis=2)\n"
        "votes = labels[distance.argsort(axis=1)[:, :k]]\n"
        "return np.mean([np.bincount(v).argmax() for v in votes] == labels)": "votes for itself",
        "distance = np.linalg.norm(features[:, None] - features[None], axis=2)\n"
        "return np.mean(labels[distance.argsort(axis=1)[:, 1]] == labels)": "Only the nearest",
        "distance = np.linalg.norm(features[:, None] - features[None], axis=2)\n"
        "votes = labels[distance.argsort(axis=1)[:, -k:]]\n"
        "return np.mean([np.bincount(v).argmax() for v in votes] == labels)": "farthest",
        "distance = np.linalg.norm(features[:, None] - features[None], axis=2)\n"
        "votes = labels[distance.argsort(axis=1)[:, 1 : k + 1]]\n"
        "return np.mean(votes == labels[:, None])": "share of neighbours",
        "return (winners => return 1 - (winners": "share of errors",
        "return (winners => return 100 * (winners": "in percent",
    },
    "03-align": {
        "return embedding + (target - embedding).mean(axis=0)": "the turn is not the best",
        "p = embedding - embedding.mean(axis=0)\n"
        "stretch = np.linalg.lstsq(p, target - target.mean(axis=0), rcond=None)[0]\n"
        "return p @ stretch + target.mean(axis=0)": "stretched or sheared",
        "p = embedding - embedding.mean(axis=0)\n"
        "u, _, v = np.linalg.svd(p.T @ (target - target.mean(axis=0)))\n"
        "return p @ u @ v": "middles do not lie on each other",
        "p = embedding - embedding.mean(axis=0)\n"
        "u, _, v = np.linalg.svd(p.T @ (target - target.mean(axis=0)))\n"
        "u[:, 1] *= np.sign(np.linalg.det(u @ v))\n"
        "return p @ u @ v + target.mean(axis=0)": "does not mirror",
        "return embedding[:10]": "shape",
    },
    "04-interval": {
        "return 1.96 * np.std(scores, ddof=1) / len(scores) ** 0.5": "Student's t",
        "return np.std(scores, ddof=1)": "standard deviation",
        "return 2.1318 * np.std(scores, ddof=1) / len(scores) ** 0.5": "leave 2.5 % on either",
        "return np.std(scores, ddof=1) / len(scores) ** 0.5": "standard error",
        "return 2.7764 * np.std(scores, ddof=1)": "steadier by √n",
        "return 2.7764 * np.std(scores) / len(scores) ** 0.5": "ddof=1",
        "return 1.96 * np.std(scores) / len(scores) ** 0.5": "Both",
        "return 2 * 2.7764 * np.std(scores, ddof=1) / len(scores) ** 0.5": "whole interval",
    },
    "04-leak": {
        "from sklearn.discriminant_analysis import LinearDiscriminantAnalysis\n"
        "a, b = (vaelib.to_pixels(part.images)[:, 300:330] for part in (train, test))\n"
        "lda = LinearDiscriminantAnalysis(n_components=2).fit(a, train.labels)\n"
        "return lda.transform(a), lda.transform(b)": "the encoder has used the labels",
        "from sklearn.decomposition import PCA\n"
        "a, b = (vaelib.to_pixels(part.images).numpy() for part in (train, test))\n"
        "pca = PCA(n_components=3, svd_solver='full').fit(np.concatenate([a, b]))\n"
        "return pca.transform(a), pca.transform(b)": "fitted on both",
        "a, b = (vaelib.to_pixels(part.images) for part in (train, test))\n"
        "return a - a.mean(dim=0), b - b.mean(dim=0)": "depend on the other test images",
        "a, b = (vaelib.to_pixels(part.images) for part in (train, test))\n"
        "return a + 0.1 * torch.randn(a.shape), b": "fix the seed",
        "return vaelib.to_pixels(train.images), vaelib.to_pixels(test.images[:5])": (
            "a row for each"
        ),
        "return vaelib.to_pixels(train.images)": "Return two arrays: the training",
    },
    "04-dynamics": {
        "range(20) => range(0)": "Nothing balances",
        "* sizes / => * (len(scores) / len(sizes)) /": "its own entry of `sizes`",
        "        scores = F.one_hot(scores.argmax(dim=1), scores.shape[1]).float()\n => ": (
            "never decided"
        ),
        "in times: => in times[:1]:": "That is one round",
        "in times: => in times[:1] * len(times):": "use each of `times`",
        "    decay => "
        "    graph = dataclasses.replace(graph, root_degree=torch.ones_like(graph.root_degree))\n"
        "    decay": "degrees are missing",
        " / graph.eigenvalues[scores.shape[1] - 1] => ": "another unit",
        "scores.shape[1] - 1] => scores.shape[1]]": "counting begins at 0",
        "return scores.argmax(dim=1) => return scores": "Those are scores",
        "return torch.arange(len(scores)) % scores.shape[1]": "no usual slip",
        "return torch.zeros(3)": "one cluster for each image",
    },
}


def written_out(name, attempt):
    """Turn a mistake of the table into code: a body, or a change of the folded solution."""
    _, stub, solution = EXERCISES[name]
    if " => " in attempt:
        old, new = attempt.split(" => ")
        assert old in solution
        return solution.replace(old, new)
    return f"{stub.splitlines()[0]}\n{indent(attempt, '    ')}"


def checker_call(name):
    """Return what the stub cell does after the stub: its last line calls the checker."""
    return EXERCISES[name][1].partition("\n\n\n")[2]
