"""What our own switch does with frames; no sockets here."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from switch_plugs import EVERYBODY, address, frame, framed

from builder.network import switch as switch_module
from builder.network.switch import BACKLOG, LONGEST, Fabric, Garbled, Plug

ONE, TWO, THREE = address(1), address(2), address(3)


class Net:
    """A fabric with plugs by number."""

    def __init__(self, count: int) -> None:
        self.fabric = Fabric()
        self.plugs = [Plug() for _ in range(count)]
        self.fabric.plugs.extend(self.plugs)

    def send(self, number: int, *frames: bytes) -> list[list[bytes]]:
        """What each plug gets of it."""
        self.fabric.take(self.plugs[number], b"".join(map(framed, frames)))
        return [self.drain(plug) for plug in self.plugs]

    @staticmethod
    def drain(plug: Plug) -> list[bytes]:
        data = bytes(plug.waiting)
        plug.waiting.clear()
        return [whole[4:] for whole in Plug().frames(data)]


def test_a_frame_to_everybody_reaches_all_others() -> None:
    shout = frame(EVERYBODY, ONE)
    assert Net(3).send(0, shout) == [[], [shout], [shout]]


def test_a_frame_to_an_unknown_address_reaches_all_others_and_a_learnt_one_only_its_place() -> None:
    net = Net(3)
    there, back = frame(TWO, ONE), frame(ONE, TWO)
    assert net.send(0, there) == [[], [there], [there]]
    assert net.send(1, back) == [[back], [], []]
    assert net.send(0, there) == [[], [there], []]


def test_an_address_that_moves_is_followed() -> None:
    net = Net(3)
    net.send(0, frame(EVERYBODY, ONE))
    net.send(2, frame(EVERYBODY, ONE))
    assert net.send(1, frame(ONE, TWO)) == [[], [], [frame(ONE, TWO)]]


def test_nothing_comes_back_to_its_sender() -> None:
    net = Net(2)
    net.send(0, frame(EVERYBODY, ONE), frame(EVERYBODY, TWO))
    assert net.send(0, frame(TWO, ONE)) == [[], []]


def test_who_left_is_forgotten() -> None:
    net = Net(3)
    net.send(1, frame(EVERYBODY, TWO))
    net.fabric.leave(net.plugs[1])
    assert net.send(0, frame(TWO, ONE)) == [[], [], [frame(TWO, ONE)]]


def test_an_address_of_many_is_no_place() -> None:
    net = Net(3)
    net.send(1, frame(EVERYBODY, EVERYBODY))
    assert net.send(0, frame(EVERYBODY, ONE)) == [[], [frame(EVERYBODY, ONE)], [frame(EVERYBODY, ONE)]]


def test_addresses_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_module, "ADDRESSES", 2)
    net = Net(3)
    net.send(0, *(frame(EVERYBODY, address(number)) for number in (1, 2, 3)))
    assert len(net.fabric._places) == 2
    assert [len(frames) for frames in net.send(1, frame(ONE, address(9)))] == [1, 0, 1], "the first learnt gave way"


def test_a_plug_that_nobody_reads_loses_frames_and_holds_up_no_other() -> None:
    net = Net(3)
    long = frame(EVERYBODY, ONE, b"x" * 1500)
    for _ in range(2 * BACKLOG // len(long)):
        net.fabric.take(net.plugs[0], framed(long))
        net.plugs[1].waiting.clear()
    assert len(net.plugs[2].waiting) <= BACKLOG
    assert net.plugs[2].dropped > 0
    assert net.plugs[1].dropped == 0
    assert all(whole == long for whole in net.drain(net.plugs[2])), "what is left are whole frames"


def test_what_is_too_short_for_a_frame_is_dropped_and_what_is_too_long_ends_the_plug() -> None:
    net = Net(2)
    assert net.send(0, b"", b"x" * 11, frame(EVERYBODY, ONE)) == [[], [frame(EVERYBODY, ONE)]]
    with pytest.raises(Garbled, match="a frame of 69633 bytes"):
        net.send(0, b"x" * (LONGEST + 1))


@given(frames=st.lists(st.binary(max_size=80), max_size=8), cuts=st.lists(st.integers(0, 400), max_size=12))
def test_frames_come_whole_however_the_stream_is_cut(frames: list[bytes], cuts: list[int]) -> None:
    data = b"".join(map(framed, frames))
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    plug = Plug()
    assert [whole[4:] for start, end in pairwise(edges) for whole in plug.frames(data[start:end])] == frames
