"""Frames survive every way in which a pipe may cut them."""

from __future__ import annotations

import os

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kbench.experiment.protocol import Frames, Job, Phase, Reply, Request, Task, write_frame
from kbench.intent.config import Config
from kbench.intent.method import Method
from kbench.intent.traffic import Traffic
from kbench.machine.binary import Binary, Param, Target


@given(st.lists(st.text(max_size=200), max_size=6), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_whatever_the_pieces(names: list[str], piece: int) -> None:
    source, sink = os.pipe()
    for name in names:
        write_frame(sink, Phase(name))
    os.close(sink)
    whole = os.read(source, 1 << 20)
    os.close(source)
    back, forth = os.pipe()
    frames, found = Frames(back), []
    for start in range(0, len(whole), piece):
        os.write(forth, whole[start : start + piece])
        assert frames.feed()
        while (frame := frames.take()) is not None:
            reply: Reply = msgspec.msgpack.decode(frame, type=Reply)
            assert isinstance(reply, Phase)
            found.append(reply.name)
    os.close(forth)
    assert not frames.feed()
    os.close(back)
    assert found == names


def test_a_job_arrives_with_the_types_of_its_axis_values() -> None:
    config = Config("k", {"n": 1, "x": 1.0, "flag": True, "dtype": "float16"}, ("n",), "warm", "host")
    binary = Binary("e", "s", "/p", Target("cpu", "fast"), "g++", (Param("value", "int", 4),), "key", 1, 0.5)
    task = Task(config, "/spec.py", (None, binary), Traffic(items={"tokens": 3}), "abc")
    job = Job((task,), Method(), "measure", "a contest")
    source, sink = os.pipe()
    write_frame(sink, job)
    frames = Frames(source)
    assert frames.feed()
    frame = frames.take()
    assert frame is not None
    found: Request = msgspec.msgpack.decode(frame, type=Request)
    assert found == job
    assert isinstance(found, Job)
    assert [type(v) for v in found.tasks[0].config.axes.values()] == [int, float, bool, str]
    os.close(source)
    os.close(sink)
