"""The robot's signals hang together as its equations say."""

import numpy as np

from simulators.columns import Numbers
from simulators.machines.robot import Robot

NOON_US = 1_795_262_400_000_000
STEP_S = 0.02
HOUR = Robot(asset="robot-1", seed=5).at(NOON_US + np.arange(180_000, dtype=np.int64) * 20_000).values


def numbers(name: str) -> Numbers:
    return HOUR[name].astype(np.float64)


def test_joints_move_without_jumps() -> None:
    for joint in range(1, 7):
        speed = np.abs(np.diff(numbers(f"joint_{joint}"))) / STEP_S
        assert 5.0 < speed.max() < 250.0
        assert (np.abs(np.diff(np.diff(numbers(f"joint_{joint}")))) / STEP_S**2).max() < 800.0


def test_a_waiting_robot_stands_at_home_and_takes_standby_power() -> None:
    waits = HOUR["cycle_state"] == "WAITING"
    assert waits.mean() > 0.1
    assert (numbers("joint_2")[waits] == -60.0).all()
    assert (numbers("power")[waits] == 180.0).all()
    assert numbers("power").max() > 230.0


def test_the_gripper_holds_while_the_part_is_lifted_and_carried() -> None:
    closed = HOUR["gripper_closed"].astype(np.bool_)
    carried = np.isin(HOUR["cycle_state"], ["GRIP", "LIFT", "TRANSFER"])
    assert closed[carried].all()
    assert not closed[np.isin(HOUR["cycle_state"], ["WAITING", "APPROACH", "RETURN"])].any()


def test_a_held_part_weighs_on_the_shoulder() -> None:
    at_pick = (numbers("joint_1") == -70.0) & (numbers("joint_2") == -18.0)
    closed = HOUR["gripper_closed"].astype(np.bool_)
    empty = numbers("torque_2")[(HOUR["cycle_state"] == "PLACE") & ~closed]
    held = numbers("torque_2")[at_pick & closed]
    gravity = 95.0 * np.cos(np.radians(-18.0))
    masses = (held - gravity) / (9.81 * 1.15 * np.cos(np.radians(-18.0)))
    assert len(empty) > 100
    assert 2.0 < masses.mean() < 2.6
    assert np.abs(empty - 95.0 * np.cos(np.radians(-14.0))).max() < 3.0


def test_torque_turns_with_acceleration() -> None:
    acceleration = np.gradient(np.gradient(numbers("joint_1"), STEP_S), STEP_S)
    moving = HOUR["cycle_state"] == "TRANSFER"
    assert np.corrcoef(acceleration[moving], numbers("torque_1")[moving])[0, 1] > 0.6


def test_one_cycle_is_counted_for_every_part_placed() -> None:
    released = np.diff(HOUR["gripper_closed"].astype(np.int64)) == -1
    counted = HOUR["cycle_count"].astype(np.int64)
    assert abs(int(released.sum()) - int(counted[-1] - counted[0])) <= 1
    assert 283 <= counted[-1] - counted[0] <= 287
