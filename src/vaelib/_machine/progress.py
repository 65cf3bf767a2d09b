"""One line that says how far a computation is: plain text, without times, so that it is stable."""

BAR_WIDTH = 30


def show_progress(done: int, total: int, text: str) -> None:
    """Print a bar, the count and a text over the line printed before; end the line when done.

    A stored notebook keeps the last of these lines only, the same from every run.
    """
    filled = BAR_WIDTH * done // total
    bar = "█" * filled + "░" * (BAR_WIDTH - filled)
    print(f"\r{bar} {done:,}/{total:,} {text}", end="\n" if done == total else "", flush=True)
