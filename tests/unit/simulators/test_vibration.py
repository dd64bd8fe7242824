"""The 10 kHz channel shows what a vibration analyst looks for."""

import json

import numpy as np

from simulators.columns import Numbers
from simulators.conditions import Conditions, Window
from simulators.machines import Mill
from simulators.vibration import BPFO, FRAMES_HZ, RATE_HZ, acceleration, frame

NOON_US = 1_795_262_400_000_000
HEALTHY = Mill(asset="mill-1", seed=11)
BROKEN = Mill(
    asset="mill-1",
    seed=11,
    conditions=Conditions(windows=(Window(name="bearing_defect", from_us=NOON_US, until_us=NOON_US + 10**10),)),
)


def begin_of(speed: float, mill: Mill = HEALTHY) -> int:
    """Find two seconds in which the spindle turns (and cuts) at this speed without a change."""
    times = NOON_US + np.arange(36_000, dtype=np.int64) * 100_000
    turning = mill.turning(times)
    same = (turning.speed == speed) & ((turning.cut > 0.0) == (speed > 0.0))
    runs = np.convolve(same.astype(np.int64), np.ones(21, dtype=np.int64), mode="valid") == 21
    return int(times[np.flatnonzero(runs)[0]])


def spectrum(signal: Numbers) -> tuple[Numbers, Numbers]:
    window = np.hanning(len(signal))
    strength = np.abs(np.fft.rfft((signal - signal.mean()) * window))
    return np.asarray(np.fft.rfftfreq(len(signal), 1.0 / RATE_HZ), dtype=np.float64), strength


def two_seconds(mill: Mill, begin: int) -> Numbers:
    return acceleration(mill, begin + np.arange(2 * RATE_HZ, dtype=np.int64) * 100)


def test_frames_join_to_the_bit() -> None:
    begin = begin_of(6000.0)
    joined = np.concatenate([frame(HEALTHY, begin + index * 100_000).samples for index in range(20)])
    assert np.array_equal(joined, two_seconds(HEALTHY, begin))
    assert len(joined) == 2 * FRAMES_HZ * (RATE_HZ // FRAMES_HZ)


def test_the_teeth_show_at_four_times_the_spindle_frequency() -> None:
    frequencies, strength = spectrum(two_seconds(HEALTHY, begin_of(6000.0)))
    assert abs(frequencies[strength.argmax()] - 400.0) < 1.0


def test_a_broken_bearing_shows_its_pass_frequency_in_the_envelope() -> None:
    begin = begin_of(6000.0)
    expected = BPFO * 100.0
    shares = []
    for mill in (HEALTHY, BROKEN):
        signal = two_seconds(mill, begin)
        frequencies = np.fft.rfftfreq(len(signal), 1.0 / RATE_HZ)
        band = np.fft.rfft(signal)
        band[(frequencies < 1500.0) | (frequencies > 3000.0)] = 0.0
        at, strength = spectrum(np.abs(np.fft.irfft(band, len(signal))))
        near = (at > 20.0) & (at < 1000.0)
        shares.append(strength[near & (np.abs(at - expected) < 2.0)].max() / strength[near].mean())
    assert shares[1] > 10.0
    assert shares[0] < 5.0


def test_a_spindle_that_stands_gives_noise_alone() -> None:
    begin = begin_of(0.0)
    assert 0.2 < two_seconds(BROKEN, begin).std() < 0.3


def test_a_frame_says_when_how_fast_and_in_which_unit() -> None:
    body = json.loads(frame(HEALTHY, NOON_US).json())
    assert (body["time"], body["rate"], body["unit"]) == ("2026-11-21T12:00:00.000000Z", 10_000, "m/s2")
    assert len(body["samples"]) == 1000
