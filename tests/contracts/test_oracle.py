import msgspec
import pytest
from tests.contracts.evm import Reverted, account
from tests.contracts.scene import FEED, ORACLES, Scene

from thalweg.chain.artefacts import QUORUM_ORACLE
from thalweg.chain.calls import encode
from thalweg.channel.onchain import RegisterReport
from thalweg.crypto import sign
from thalweg.instruments.report import Settlement, oracle_domain, report_digest
from thalweg.units import Address, Price, Signature, UnixSeconds

PRICE = 60_000 * 10**8


def _refusal(scene: Scene, report: RegisterReport) -> str:
    return scene.evm.refusal(encode(report, scene.adjudicator))


def _settlement(scene: Scene, time: int) -> tuple[bool, bool, int]:
    answer: tuple[bool, bool, int] = scene.evm.ask(scene.oracle, QUORUM_ORACLE, "settlement", FEED, time)
    return answer


def test_a_quorums_report_is_known_for_ever(scene: Scene) -> None:
    time = scene.tick()
    assert _settlement(scene, time) == (False, False, 0)

    scene.speak(time, PRICE)

    assert _settlement(scene, time) == (True, False, PRICE)
    assert _refusal(scene, scene.register(time, PRICE + 1)) == "oracle: exists already"
    assert _refusal(scene, scene.register(time, 0, is_void=True)) == "oracle: exists already"


def test_the_same_report_again_changes_nothing_and_trips_nobody(scene: Scene) -> None:
    time = scene.tick()
    scene.speak(time, PRICE)

    receipt = scene.evm.send(encode(scene.register(time, PRICE, signers=(1, 2, 3)), scene.adjudicator))

    assert receipt.logs == ()


def test_a_void_is_known_and_has_no_price(scene: Scene) -> None:
    time = scene.tick()
    assert _refusal(scene, scene.register(time, 1, is_void=True)) == "oracle: bad oracle report"

    scene.speak(time, 0, is_void=True)

    assert _settlement(scene, time) == (True, True, 0)


def test_a_price_of_zero_is_a_price(scene: Scene) -> None:
    time = scene.tick()

    scene.speak(time, 0)

    assert _settlement(scene, time) == (True, False, 0)


@pytest.mark.parametrize(
    ("signers", "reason"),
    [
        ((0, 1), "bad oracle report"),  # too few
        ((0, 0, 1), "bad oracle report"),  # one twice
        ((0, 2, 1), "bad oracle report"),  # not in order
        ((), "bad oracle report"),
    ],
    ids=["too few", "duplicate", "unsorted", "none"],
)
def test_only_a_quorum_in_order_is_heard(scene: Scene, signers: tuple[int, ...], reason: str) -> None:
    assert _refusal(scene, scene.register(scene.tick(), PRICE, signers=signers)) == f"oracle: {reason}"


def test_signers_who_do_not_exist_or_did_not_sign_are_refused(scene: Scene) -> None:
    report = scene.register(scene.tick(), PRICE)
    strangers = [account(f"stranger {index}") for index in range(4)]

    out_of_range = msgspec.structs.replace(report, signers=(0, 1, 4))
    assert _refusal(scene, out_of_range) == "oracle: bad oracle report"
    assert _refusal(scene, scene.register(report.time, PRICE, keys=strangers)) == "oracle: wrong signer"
    swapped = msgspec.structs.replace(report, signers=(0, 1, 3))
    assert _refusal(scene, swapped) == "oracle: wrong signer"
    fewer = msgspec.structs.replace(report, signatures=report.signatures[:2])
    assert _refusal(scene, fewer) == "oracle: bad oracle report"
    zero = msgspec.structs.replace(report, signatures=(Signature(bytes(64)),) * 3)
    assert _refusal(scene, zero) == "oracle: wrong signer"


def test_a_report_is_for_one_feed_time_price_chain_and_contract(scene: Scene) -> None:
    report = scene.register(scene.tick(), PRICE)
    for change in ({"feed": bytes(32)}, {"time": report.time - 1}, {"price": 1}, {"price": 0, "is_void": True}):
        assert _refusal(scene, msgspec.structs.replace(report, **change)) == "oracle: wrong signer"
    for domain in (
        oracle_domain(scene.evm.chain_id + 1, scene.oracle),
        oracle_domain(scene.evm.chain_id, scene.adjudicator),
    ):
        message = report_digest(domain.separator(), Settlement(FEED, report.time, Price(PRICE)))
        foreign = tuple(sign(ORACLES[index].key, message) for index in report.signers)
        assert _refusal(scene, msgspec.structs.replace(report, signatures=foreign)) == "oracle: wrong signer"


def test_no_report_before_its_time(scene: Scene) -> None:
    soon = UnixSeconds(scene.expiry(100))
    report = scene.register(soon, PRICE)

    scene.evm.travel(soon - 1)
    assert _refusal(scene, report) == "oracle: not yet"
    scene.evm.travel(soon)
    assert _refusal(scene, report) == ""


@pytest.mark.parametrize("off_s", [1, 17, 59])
def test_a_report_off_the_grid_is_refused(scene: Scene, off_s: int) -> None:
    assert _refusal(scene, scene.register(scene.tick() - 60 + off_s, PRICE)) == "oracle: bad oracle report"


def test_a_price_beyond_the_scale_is_refused(scene: Scene) -> None:
    time = scene.tick()

    assert _refusal(scene, scene.register(time, 2**63)) == "oracle: bad oracle report"
    scene.speak(time, 2**63 - 1)
    assert _settlement(scene, time)[2] == 2**63 - 1


def test_signers_and_threshold_can_be_read(scene: Scene) -> None:
    signers = scene.evm.ask(scene.oracle, QUORUM_ORACLE, "signers")

    assert tuple(bytes.fromhex(one[2:]) for one in signers) == tuple(one.address for one in ORACLES)
    assert scene.evm.ask(scene.oracle, QUORUM_ORACLE, "threshold") == 3


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 16])
def test_more_than_two_thirds_must_agree(scene: Scene, count: int) -> None:
    signers = tuple(account(f"signer {index}").address for index in range(count))
    least = 2 * count // 3 + 1

    for threshold in (least, count):
        scene.evm.deploy(QUORUM_ORACLE, signers, threshold)
    for threshold in (least - 1, count + 1, 0):
        with pytest.raises(Reverted, match="oracle: threshold"):
            scene.evm.deploy(QUORUM_ORACLE, signers, threshold)


def test_signers_are_different_people(scene: Scene) -> None:
    one, two = account("one").address, account("two").address

    for signers in ((one, two, one), (one, two, Address(bytes(20)))):
        with pytest.raises(Reverted, match="oracle: signers"):
            scene.evm.deploy(QUORUM_ORACLE, signers, 3)
    with pytest.raises(Reverted, match="oracle: threshold"):
        scene.evm.deploy(QUORUM_ORACLE, (), 0)


def test_signers_are_sixteen_at_most(scene: Scene) -> None:
    with pytest.raises(Reverted):
        scene.evm.deploy(QUORUM_ORACLE, tuple(account(f"signer {index}").address for index in range(17)), 12)
