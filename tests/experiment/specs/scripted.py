"""Kernels for the fake device that take as long as they are told to; a few of many may misbehave."""

from kbench import Call, Op, Out, kernel

FAULTS = {3: "wrong", 7: "fault", 12: "segfault", 17: "hangs", 21: "late memory", 24: "raises"}


@kernel(
    "nothing.cu", entry="", axes={"i": list(range(100)), "us": 10.0, "part": 0, "faulty": ["no", "yes"]}, tuning=("i",)
)
def scripted(xp, rng, *, i, us, part, faulty):
    """us: time of configuration 0; each further one takes 2 % longer. part: only to make several problems."""
    x = rng.bits(64, "uint32")
    y = xp.empty_like(x)
    how = FAULTS.get(i) if faulty == "yes" else None

    def work(y, x, bound):
        y[...] = x
        if how:
            from misbehaves import _misbehave

            _misbehave(how, y, bound)

    work.seconds, work.name = us * 1e-6 * (1 + 0.02 * i), str(i)
    return Op(
        steps=[Call(work, (y, x))], outputs={"y": Out(y, x, exact=True)},
        bytes_read=x.nbytes, bytes_written=y.nbytes,
    )  # fmt: skip
