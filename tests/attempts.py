"""The exercises' stubs and folded solutions, read from the notebooks, and the usual mistakes."""

import re
from pathlib import Path

import nbformat

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)\n```\n\n</details>", re.DOTALL)


def exercises():
    """(name, imports, stub, solution) of every exercise, the name as in "02-kl"."""
    for path in NOTEBOOKS:
        cells = {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
        first = next(source for source in cells.values() if "from vaelib import" in source)
        imports = "\n".join(re.findall(r"^(?:import|from) .*", first, re.MULTILINE))
        for cell_id, stub in cells.items():
            if "-try-" in cell_id:
                solution = SOLUTION.search(cells[cell_id.replace("try", "solution")])
                yield cell_id.replace("-try", ""), imports, stub, solution[1]


EXERCISES = {name: rest for name, *rest in exercises()}

# exercise, what a reader writes (its body, under the stub's first line), what the hint speaks of
MISTAKES = [
    ("01-pixels", "return images.flatten(1).float()", "divide them"),
    ("01-pixels", "return images.flatten(1) / 256", "255, not 256"),
    ("01-pixels", "return images.flatten(1) // 255 * 1.0", "whole numbers"),
    ("01-pixels", "return images / 255", "row of 784"),
    ("01-pixels", "return images.flatten() / 255", "one long row"),
    (
        "01-splits",
        "i = np.random.default_rng(0).permutation(70_000); "
        "return i[:50_000], i[50_000:60_000], i[60_000:]",
        "test images are in the training set",
    ),
    (
        "01-splits",
        "return range(50_000), range(60_000, 70_000), range(60_000, 70_000)",
        "in the validation set",
    ),
    (
        "01-splits",
        "return range(60_000), range(50_000, 60_000), range(60_000, 70_000)",
        "10,000 images are in training and in validation",
    ),
    (
        "01-splits",
        "return range(50_000), range(50_000, 60_000), range(60_000, 69_999)",
        "all of them and no other",
    ),
    (
        "01-splits",
        "return range(40_000), range(50_000, 60_000), range(60_000, 70_000)",
        r"should hold \(50000, 10000\)",
    ),
    ("01-splits", "return range(60_000), range(60_000, 70_000)", "three sets"),
    (
        "01-likelihood",
        "p = logits.sigmoid(); "
        "return -(pixels * p.log() + (1 - pixels) * (1 - p).log()).sum(dim=1)",
        "sign is turned",
    ),
    (
        "01-likelihood",
        "p = logits.sigmoid(); "
        "return (pixels * p.log() + (1 - pixels) * (1 - p).log()).mean(dim=1)",
        "mean over the 784 pixels",
    ),
    (
        "01-likelihood",
        "return torch.nn.functional.binary_cross_entropy_with_logits("
        "logits, pixels, reduction='none').mean(dim=1)",
        "mean over pixels, and the sign",
    ),
    (
        "01-likelihood",
        "p = logits.sigmoid(); return (pixels * p.log() + (1 - pixels) * (1 - p).log()).sum()",
        "one number for the whole batch",
    ),
    (
        "01-likelihood",
        "p = logits.sigmoid(); return pixels * p.log() + (1 - pixels) * (1 - p).log()",
        "one value a pixel",
    ),
    ("01-likelihood", "return (pixels * logits.sigmoid().log()).sum(dim=1)", "paper is not"),
    (
        "01-likelihood",
        "return (pixels * logits.log() + (1 - pixels) * (1 - logits).log()).sum(dim=1)",
        "taken for probabilities",
    ),
    (
        "01-likelihood",
        "p = logits.sigmoid(); return (pixels * p.log() + (1 - pixels) * (1 - p).log()).sum(dim=1)",
        "logit of 120",
    ),
    (
        "01-baseline",
        "return vaelib.classifier.logistic.fit_logistic_regression("
        "vaelib.to_pixels(images).numpy(), labels).predict(vaelib.to_pixels(new_images).numpy())",
        "the bar is 80%",
    ),
    ("01-baseline", "return torch.zeros(len(new_images)).long()", "what guessing gives"),
    ("01-baseline", "return mnist.test.labels[: len(new_images)]", "what guessing gives"),
    (
        "01-baseline",
        "x = vaelib.to_pixels(new_images); x = x - x.mean(dim=0); c = x[: len(x) // 7].norm(dim=1)"
        "; return (x @ x.mean(dim=0) + x.norm(dim=1) - c.mean() > 0).long()",
        "other new images stand beside it",
    ),
    ("01-baseline", "return labels", r"Return one class for each new image, \(2000,\)"),
    ("02-sample", "return mean + log_variance.exp() * noise", r"exp\(½ log σ²\)"),
    ("02-sample", "return mean + log_variance * noise", "may be negative"),
    ("02-sample", "return mean + noise", "scale it by σ"),
    ("02-sample", "return mean * 1", "noise is missing"),
    ("02-sample", "return torch.exp(0.5 * log_variance) * noise", "μ is missing"),
    ("02-sample", "return mean + torch.exp(-0.5 * log_variance) * noise", "inverted"),
    (
        "02-sample",
        "return mean + torch.exp(0.5 * log_variance.detach()) * noise",
        "no gradient reaches log σ²",
    ),
    (
        "02-sample",
        "return (mean + torch.exp(0.5 * log_variance) * noise).detach()",
        "no gradient passes",
    ),
    (
        "02-kl",
        "return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean(dim=1)",
        "mean over the latents",
    ),
    (
        "02-kl",
        "return -0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)",
        "never negative",
    ),
    ("02-kl", "return (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)", "½"),
    (
        "02-kl",
        "return 0.5 * (mean**2 + torch.exp(0.5 * log_variance) - 1 - log_variance).sum(dim=1)",
        r"exp\(½ log σ²\) is σ",
    ),
    (
        "02-kl",
        "return 0.5 * (mean + log_variance.exp() - 1 - log_variance).sum(dim=1)",
        "μ enters squared",
    ),
    (
        "02-kl",
        "return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()",
        "one number for the whole batch",
    ),
    (
        "02-kl",
        "return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()",
        "mean over the batch",
    ),
    ("02-kl", "return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)", "a latent"),
    ("02-loss", "return vaelib.elbo_terms(model, pixels, generator).elbo.mean()", "turn the sign"),
    (
        "02-loss",
        "t = vaelib.elbo_terms(model, pixels, generator); "
        "return (t.kl - t.reconstruction / 784).mean()",
        "784 times too much",
    ),
    (
        "02-loss",
        "t = vaelib.elbo_terms(model, pixels, generator); return -(t.reconstruction + t.kl).mean()",
        "KL is subtracted",
    ),
    (
        "02-loss",
        "return -vaelib.elbo_terms(model, pixels, generator).reconstruction.mean()",
        "KL is missing",
    ),
    ("02-loss", "return -vaelib.elbo_terms(model, pixels, generator).elbo.sum()", "over the batch"),
    ("02-loss", "return -vaelib.elbo_terms(model, pixels, generator).elbo", "one value an image"),
    (
        "02-loss",
        "m, v = model.encode(pixels); "
        "x = vaelib.bernoulli_log_likelihood(model.decode(m), pixels); "
        "return (vaelib.gaussian_kl(m, v) - x).mean()",
        "decoded in place of a draw",
    ),
    (
        "02-loss",
        "return -vaelib.elbo_terms(model, pixels, generator).elbo.mean().item()",
        "no gradient",
    ),
    ("02-beta", "return vaelib.MLP.build()", "hardly learned"),
    ("03-active", "return posterior.mean.std(axis=0) > 0.01", "standard deviation"),
    ("03-active", "return posterior.mean.var(axis=0) < 0.01", "the opposite"),
    ("03-active", "return np.exp(posterior.log_variance).mean(axis=0) > 0.01", "encoder's own"),
    ("03-active", "return abs(posterior.mean.mean(axis=0)) > 0.01", "the same for every image"),
    ("03-active", "return posterior.mean.var(axis=1) > 0.01", "over the latents"),
    ("03-active", "return (posterior.mean.var(axis=0) > 0.01).sum()", "how many"),
    ("03-active", "return posterior.mean.var(axis=0)", "those are the variances|Those are"),
    ("03-align", "return picture + (target - picture).mean(axis=0)", "the turn is not the best"),
    (
        "03-align",
        "p = picture - picture.mean(axis=0); t = target - target.mean(axis=0); "
        "return p @ np.linalg.lstsq(p, t, rcond=None)[0] + target.mean(axis=0)",
        "stretched or sheared",
    ),
    (
        "03-align",
        "p = picture - picture.mean(axis=0); "
        "u, _, v = np.linalg.svd(p.T @ (target - target.mean(axis=0))); return p @ u @ v",
        "middles do not lie on each other",
    ),
    (
        "03-align",
        "p = picture - picture.mean(axis=0); t = target - target.mean(axis=0); "
        "u, _, v = np.linalg.svd(p.T @ t); u[:, 1] *= np.sign(np.linalg.det(u @ v)); "
        "return p @ u @ v + target.mean(axis=0)",
        "does not mirror",
    ),
    ("03-align", "return picture[:10]", "shape"),
    ("04-mean", "return posterior.log_variance", "how sure the encoder is"),
    ("04-mean", "return posterior.sample(seed=0)", "That is a draw: it adds"),
    (
        "04-mean",
        "return posterior.mean + np.random.standard_normal(posterior.mean.shape)",
        "Two calls give two answers",
    ),
    ("04-interval", "return 1.96 * np.std(scores, ddof=1) / len(scores) ** 0.5", "Student's t"),
    ("04-interval", "return np.std(scores, ddof=1)", "standard deviation"),
    ("04-interval", "return np.std(scores, ddof=1) / len(scores) ** 0.5", "standard error"),
    ("04-interval", "return 2.7764 * np.std(scores, ddof=1)", "steadier by √n"),
    ("04-interval", "return 2.7764 * np.std(scores) / len(scores) ** 0.5", "ddof=1"),
    ("04-interval", "return 1.96 * np.std(scores) / len(scores) ** 0.5", "Both"),
    (
        "04-interval",
        "return 2 * 2.7764 * np.std(scores, ddof=1) / len(scores) ** 0.5",
        "whole interval",
    ),
    (
        "04-few",
        "return vaelib.classifier.logistic.fit_logistic_regression("
        "features[chosen], torch.from_numpy(labels)).predict(new_features)",
        "unlabelled rows",
    ),
    ("04-few", "return np.zeros(len(new_features), dtype=int)", "what guessing gives"),
    ("04-few", "return labels", r"\(1000,\)"),
]

# longer ones, written out
LONG_MISTAKES = [
    (
        "02-beta",
        """
MODEL = vaelib.MLP.build()
def my_training(images, beta):
    return MODEL
""",
        "the same model",
    ),
    ("02-beta", "BETA = 'terms.kl - beta * terms.reconstruction'", "the KL grew"),
    ("02-beta", "BETA = 'terms.kl - terms.reconstruction'", "no difference"),
    ("02-beta", "BETA = 'beta * terms.kl + terms.reconstruction'", "hardly learned"),
    (
        "03-neighbours",
        """
def my_neighbour_accuracy(features, labels, k):
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)
    votes = labels[distance.argsort(axis=1)[:, :k]]
    return np.mean([np.bincount(v).argmax() for v in votes] == labels)
""",
        "votes for itself",
    ),
    (
        "03-neighbours",
        """
def my_neighbour_accuracy(features, labels, k):
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)
    return np.mean(labels[distance.argsort(axis=1)[:, 1]] == labels)
""",
        "Only the nearest",
    ),
    (
        "03-neighbours",
        """
def my_neighbour_accuracy(features, labels, k):
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)
    votes = labels[distance.argsort(axis=1)[:, -k:]]
    return np.mean([np.bincount(v).argmax() for v in votes] == labels)
""",
        "farthest",
    ),
    (
        "03-neighbours",
        """
def my_neighbour_accuracy(features, labels, k):
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)
    return np.mean(labels[distance.argsort(axis=1)[:, 1 : k + 1]] == labels[:, None])
""",
        "share of neighbours",
    ),
    (
        "03-neighbours",
        "SOLVED = 'return 1 - (winners == labels).mean()'",
        "share of errors",
    ),
    ("03-neighbours", "SOLVED = 'return 100 * (winners == labels).mean()'", "in percent"),
    (
        "04-leak",
        """
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
def my_features(train, test):
    a, b = (vaelib.to_pixels(part.images).numpy() for part in (train, test))
    a, b = a[:, 300:330] + 0.0, b[:, 300:330] + 0.0
    lda = LinearDiscriminantAnalysis(n_components=2).fit(a, train.labels)
    return lda.transform(a), lda.transform(b)
""",
        "the encoder has used the labels",
    ),
    (
        "04-leak",
        """
def my_features(train, test):
    a, b = (vaelib.to_pixels(part.images).numpy() for part in (train, test))
    pca = PCA(n_components=3, svd_solver="full").fit(np.concatenate([a, b]))
    return pca.transform(a), pca.transform(b)
""",
        "fitted on both",
    ),
    (
        "04-leak",
        """
def my_features(train, test):
    a, b = (vaelib.to_pixels(part.images).numpy() for part in (train, test))
    return a - a.mean(axis=0), b - b.mean(axis=0)
""",
        "depend on the other test images",
    ),
    (
        "04-leak",
        """
def my_features(train, test):
    a, b = (vaelib.to_pixels(part.images).numpy() for part in (train, test))
    return a + 0.1 * np.random.standard_normal(a.shape), b
""",
        "fix the seed",
    ),
    (
        "04-leak",
        """
def my_features(train, test):
    return vaelib.to_pixels(train.images), vaelib.to_pixels(test.images[:5])
""",
        "a row for each",
    ),
]


def written_out(name, attempt):
    """Turn a mistake of the tables into code: a body, or a change of the folded solution."""
    _, stub, solution = EXERCISES[name]
    if attempt.startswith("BETA"):
        return solution.replace("beta * terms.kl - terms.reconstruction", attempt[8:-1])
    if attempt.startswith("SOLVED"):
        return solution.replace("return (winners == labels).mean()", attempt[10:-1])
    if attempt.startswith("\n"):
        return attempt
    return f"{stub.splitlines()[0]}\n    {attempt}"


def checker_call(name):
    """Return the stub cell's last line, which calls the checker."""
    stub = EXERCISES[name][1]
    return stub[stub.index("exercises.") :]
