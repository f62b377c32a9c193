import msgspec
import pytest
from eth_abi import abi as codec
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import Reverted, account
from tests.contracts.scene import USD, Channel, Scene, tampered

from thalweg.chain.artefacts import ADJUDICATOR, entries
from thalweg.chain.calls import Invocation
from thalweg.channel.hashes import deposit_digest, open_digest
from thalweg.channel.terms import CloseOut
from thalweg.crypto import sign
from thalweg.units import NATIVE, Address, Amount, AssetIndex, Seat, UnixSeconds


def test_one_transaction_funds_both_sides(scene: Scene) -> None:
    channel = scene.channel(amounts=(70 * USD, 30 * USD))
    channel.prepare()

    channel.do(channel.opening())

    assert channel.view.opened
    assert channel.view.deposited == (70 * USD, 30 * USD)
    assert channel.view.withdrawn == (0, 0)
    assert scene.balance(scene.adjudicator) == 100 * USD
    assert channel.wallets() == (0, 0)


def test_permits_need_no_approval(scene: Scene) -> None:
    channel = scene.channel()
    for person, amount in zip(channel.people, channel.amounts, strict=True):
        scene.give(person, amount)
    deadline = scene.evm.now() + 600
    pulls = tuple(
        scene.permit(one, amount, deadline) for one, amount in zip(channel.people, channel.amounts, strict=True)
    )

    channel.do(channel.opening(pulls=pulls))

    assert channel.view.deposited == channel.amounts


def test_a_permit_somebody_used_already_does_not_stop_the_opening(scene: Scene) -> None:
    channel = scene.channel()
    for person, amount in zip(channel.people, channel.amounts, strict=True):
        scene.give(person, amount)
    deadline = scene.evm.now() + 600
    pulls = tuple(
        scene.permit(one, amount, deadline) for one, amount in zip(channel.people, channel.amounts, strict=True)
    )
    alice, signature = channel.people[0], pulls[0].signature
    parity, low = signature[32] >> 7, int.from_bytes(signature[32:]) % 2**255
    tell(
        scene.evm,
        scene.token,
        "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
        alice.address,
        scene.adjudicator,
        channel.amounts[0],
        deadline,
        27 + parity,
        signature[:32],
        low.to_bytes(32),
    )

    channel.do(channel.opening(pulls=pulls))

    assert channel.view.opened


def test_an_authorization_pays_for_this_opening_only(scene: Scene) -> None:
    channel = scene.channel()
    for person, amount in zip(channel.people, channel.amounts, strict=True):
        scene.give(person, amount)

    scene.evm.send(scene.with_authorizations(channel))

    assert scene.balance(scene.adjudicator) == sum(channel.amounts)
    other = scene.channel()
    scene.give(other.people[0], 100 * USD)
    scene.give(other.people[1], 100 * USD)
    stolen = scene.with_authorizations(other, over=channel)
    assert scene.evm.refusal(stolen) == "token: wrong signer"


def test_native_coin_comes_with_the_call(scene: Scene) -> None:
    channel = scene.channel(assets=(NATIVE,), amounts=(3, 4))

    channel.do(channel.opening())

    assert scene.evm.coins(scene.adjudicator) == 7


@pytest.mark.parametrize("excess", [-1, 1])
def test_native_coin_must_be_exact(scene: Scene, excess: int) -> None:
    channel = scene.channel(assets=(NATIVE,), amounts=(3, 4))
    invocation = channel.invocation(channel.opening())

    wrong = msgspec.structs.replace(invocation, value=Amount(7 + excess))

    assert scene.evm.refusal(wrong) == "adjudicator: insufficient balance"


def test_two_assets_at_once(scene: Scene) -> None:
    channel = scene.opened(assets=(NATIVE, scene.token), settlement=AssetIndex(1), amounts=(5, 10 * USD, 6, 20 * USD))

    assert channel.view.deposited == (5, 10 * USD, 6, 20 * USD)
    assert scene.evm.coins(scene.adjudicator) == 11
    assert scene.balance(scene.adjudicator) == 30 * USD


def test_sixteen_people_with_four_assets(scene: Scene) -> None:
    tokens = tuple(scene.evm.create(creation_code("SilentToken")) for _ in range(2))
    channel = scene.opened(
        *(f"person {index}" for index in range(16)), assets=(scene.token, NATIVE, *tokens), amounts=range(1, 65)
    )

    assert channel.view.deposited == tuple(range(1, 65))
    channel.do(channel.closing(channel.final(range(1, 65))))
    assert channel.view.closed
    assert scene.balance(scene.adjudicator) == scene.evm.coins(scene.adjudicator) == 0
    assert channel.wallets() == tuple(range(1, 65, 4))


@pytest.mark.parametrize(("people", "assets"), [(17, 1), (2, 5)])
def test_more_people_or_assets_than_a_channel_may_have_are_refused(scene: Scene, people: int, assets: int) -> None:
    tokens = tuple(scene.evm.create(creation_code("SilentToken")) for _ in range(assets))
    channel = scene.channel(*(f"person {index}" for index in range(people)), assets=tokens)
    channel.prepare()

    assert channel.refusal(channel.opening()) == "reverted"


def _refused(channel: Channel, reason: str) -> bool:
    channel.prepare()
    return channel.refusal(channel.opening()) == f"adjudicator: {reason}"


def with_close_out(channel: Channel, close_out: int) -> Invocation:
    """Return the opening with another close-out, whatever was signed."""
    invocation = channel.plain_opening(channel.opening())
    terms = codec.decode(entries(ADJUDICATOR)["open"].inputs, invocation.data[4:])[0]
    return tampered(invocation, "open", _0=(*terms[:5], close_out, *terms[6:]))


def test_terms_that_no_channel_can_have_are_refused(scene: Scene) -> None:
    alice = account("alice").address
    assert _refused(scene.channel("alice", "alice"), "malformed")
    assert _refused(scene.channel(payouts=(alice, Address(bytes(20)))), "malformed")
    assert _refused(scene.channel(payouts=(alice,)), "malformed")
    assert _refused(scene.channel(settlement=AssetIndex(1)), "malformed")
    assert _refused(scene.channel(assets=(scene.token, scene.token)), "malformed")
    unknown = scene.channel()
    assert scene.evm.refusal(with_close_out(unknown, 2)) == "adjudicator: malformed"
    assert scene.evm.refusal(with_close_out(scene.channel("alice", "bob", "carol"), CloseOut.MARK)) == (
        "adjudicator: malformed"
    )
    assert _refused(scene.channel(exit_spread=10**8), "malformed")
    lonely = scene.channel("alice", amounts=(5,))
    assert _refused(lonely, "malformed")
    channel = scene.channel()
    short = tampered(channel.plain_opening(channel.opening()), "open", _1=(5,))
    assert scene.evm.refusal(short) == "adjudicator: malformed"


def test_an_amount_that_could_overflow_is_refused(scene: Scene) -> None:
    channel = scene.channel(amounts=(2**124, 0))
    channel.prepare()
    assert channel.refusal(channel.opening()) == "adjudicator: amount overflows"

    greatest = scene.opened(amounts=(2**124 - 1, 2**124 - 1))
    assert greatest.view.deposited == (2**124 - 1, 2**124 - 1)


def test_every_payer_must_have_signed_in_order(scene: Scene) -> None:
    channel = scene.channel()
    channel.prepare()
    call = channel.opening()
    one, two = call.signatures

    for signatures in ((two, one), (one, one), (one,), (one, two, two), ()):
        assert channel.refusal(msgspec.structs.replace(call, signatures=signatures)) == "adjudicator: wrong signer"


def test_an_opening_cannot_be_sent_after_its_deadline(scene: Scene) -> None:
    channel = scene.channel()
    channel.prepare()
    call = channel.opening(deadline=scene.evm.now() + 100)

    scene.evm.travel(call.deadline + 1)

    assert channel.refusal(call) == "adjudicator: expired"


def test_an_opening_signed_for_other_amounts_is_refused(scene: Scene) -> None:
    channel = scene.channel()
    channel.prepare()

    more = msgspec.structs.replace(channel.opening(), amounts=(Amount(1), Amount(1)))

    assert channel.refusal(more) == "adjudicator: wrong signer"


def test_an_open_id_cannot_be_opened_again(scene: Scene) -> None:
    channel = scene.opened()
    channel.prepare()

    assert channel.refusal(channel.opening()) == "adjudicator: wrong phase"


@pytest.mark.parametrize("people", [("alice", "bob"), ("alice", "bob", "carol")])
def test_a_token_that_keeps_a_fee_is_refused(scene: Scene, people: tuple[str, ...]) -> None:
    token = scene.evm.create(creation_code("OddToken"))
    channel = scene.channel(*people, assets=(token,))
    channel.prepare()
    tell(scene.evm, token, "set_fee(uint256)", 1)

    assert channel.refusal(channel.opening()) == "adjudicator: insufficient balance"


def test_a_token_that_says_no_is_believed(scene: Scene) -> None:
    token = scene.evm.create(creation_code("OddToken"))
    channel = scene.channel(assets=(token,))
    channel.prepare()
    tell(scene.evm, token, "lie(bool)", True)

    assert channel.refusal(channel.opening()) == "tokens: refused"


def test_a_token_that_says_nothing_is_measured(scene: Scene) -> None:
    token = scene.evm.create(creation_code("SilentToken"))

    channel = scene.opened(assets=(token,))

    assert channel.view.opened
    assert scene.balance(scene.adjudicator, token) == 200 * USD


def test_a_payer_who_gave_no_allowance_stops_the_opening(scene: Scene) -> None:
    channel = scene.channel()
    scene.give(channel.people[0], channel.amounts[0])

    with pytest.raises(Reverted, match="token: allowance"):
        channel.do(channel.opening())
    assert not channel.view.opened


def test_a_token_that_calls_back_cannot_have_one_arrival_counted_twice(scene: Scene) -> None:
    token = scene.evm.create(creation_code("OddToken"))
    inner, outer = scene.channel(assets=(token,)), scene.channel(assets=(token,))
    inner.prepare()
    outer.prepare()
    tell(scene.evm, token, "call_back(address,bytes)", scene.adjudicator, inner.invocation(inner.opening()).data)

    with pytest.raises(Reverted):
        outer.do(outer.opening())


def test_a_strangers_tokens_change_nothing(scene: Scene) -> None:
    channel = scene.channel()
    channel.prepare()
    scene.give(account("stranger"), 1)
    tell(scene.evm, scene.token, "transfer(address,uint256)", scene.adjudicator, 1)

    channel.do(channel.opening())

    assert channel.view.deposited == channel.amounts


def test_a_top_up_counts_for_its_participant(scene: Scene) -> None:
    channel = scene.opened()
    friend = account("friend")
    scene.give(friend, 7 * USD)
    scene.allow(friend, 7 * USD)

    channel.do(channel.top_up(1, 7 * USD), friend)

    assert channel.view.deposited == (100 * USD, 107 * USD)
    channel.do(channel.closing(channel.state(2**40 - 1, (100 * USD, 107 * USD))))
    assert channel.wallets() == (100 * USD, 107 * USD)


def test_a_top_up_by_permit_and_in_native_coin(scene: Scene) -> None:
    channel = scene.opened(assets=(scene.token, NATIVE), amounts=(USD, 5, USD, 5))
    scene.give(channel.people[0], 2 * USD)
    pull = scene.permit(channel.people[0], 2 * USD, scene.evm.now() + 600)

    channel.do(channel.top_up(0, 2 * USD, pull=pull), channel.people[0])
    channel.do(channel.top_up(1, 9, asset=1))

    assert channel.view.deposited == (3 * USD, 5, USD, 14)


def test_a_top_up_by_authorization_which_pays_for_this_one_only(scene: Scene) -> None:
    channel, friend = scene.opened(), account("friend")
    scene.give(friend, 7 * USD)
    call = channel.top_up(1, 7 * USD)
    for total, reason in ((106 * USD, "token: wrong signer"), (107 * USD, "")):
        named = deposit_digest(scene.separator, channel.id, 1, 0, total, call.deadline)
        by_authorization = channel.tampered(call, "deposit", _7=scene.authorized(friend, 7 * USD, named))
        assert scene.evm.refusal(by_authorization, friend) == reason

    channel.fold(scene.evm.send(by_authorization, friend))

    assert channel.view.deposited == (100 * USD, 107 * USD)
    assert scene.balance(friend.address) == 0


def test_a_stranger_cannot_top_up_without_consent(scene: Scene) -> None:
    channel = scene.opened()
    scene.give(account("stranger"), 10)
    scene.allow(account("stranger"), 10)
    wrong = channel.top_up(0, 1, signature=channel.top_up(1, 1).signature)

    assert channel.refusal(wrong) == "adjudicator: wrong signer"
    assert (
        channel.refusal(msgspec.structs.replace(channel.top_up(0, 1), amount=Amount(2))) == "adjudicator: wrong signer"
    )
    assert channel.refusal(channel.top_up(0, 1, deadline=UnixSeconds(1))) == "adjudicator: expired"
    assert channel.refusal(channel.top_up(0, 1, participant=Seat(2))) == "adjudicator: malformed"
    no_asset = tampered(channel.invocation(channel.top_up(0, 1)), "deposit", _3=1)
    assert scene.evm.refusal(no_asset) == "adjudicator: malformed"


def test_the_payout_address_tops_up_by_sending(scene: Scene) -> None:
    cold = account("cold wallet")
    channel = scene.opened(payouts=(cold.address, account("bob").address))
    scene.give(cold, 5)
    scene.allow(cold, 5)
    unsigned = channel.top_up(0, 5, signature=bytes(64))

    assert channel.refusal(unsigned) == "adjudicator: wrong signer"
    channel.do(unsigned, cold)
    assert channel.view.deposited == (100 * USD + 5, 100 * USD)


def test_a_top_up_must_arrive_in_full(scene: Scene) -> None:
    token = scene.evm.create(creation_code("OddToken"))
    channel = scene.opened(assets=(token,))
    scene.give(account("stranger"), 10, token)
    scene.allow(account("stranger"), 10, token)
    tell(scene.evm, token, "set_fee(uint256)", 1)

    assert channel.refusal(channel.top_up(0, 10)) == "adjudicator: insufficient balance"


def test_a_used_top_up_cannot_be_used_again(scene: Scene) -> None:
    channel = scene.opened()
    scene.give(account("stranger"), 10)
    scene.allow(account("stranger"), 10)
    call = channel.top_up(0, 5)
    channel.do(call)

    again = msgspec.structs.replace(call, deposited=channel.view.deposited)

    assert channel.refusal(call) == "adjudicator: wrong hash"
    assert channel.refusal(again) == "adjudicator: wrong signer"


def test_money_sent_by_mistake_is_sent_back(scene: Scene) -> None:
    channel = scene.opened()
    scene.give(account("stranger"), 10)
    scene.allow(account("stranger"), 10)
    invocation = channel.invocation(channel.top_up(0, 5))

    with_coin = msgspec.structs.replace(invocation, value=Amount(1))

    assert scene.evm.refusal(with_coin) == "adjudicator: insufficient balance"


def test_a_stranger_cannot_use_up_the_id_of_an_opening_he_has_seen(scene: Scene) -> None:
    channel, mallory = scene.channel(), account("mallory")
    channel.prepare()
    nothing = (Amount(0), Amount(0))
    message = open_digest(scene.separator, channel.id, nothing, (mallory.address,) * 2, UnixSeconds(2**40))
    squat = channel.opening(amounts=nothing, deadline=UnixSeconds(2**40), signatures=(sign(mallory.key, message),) * 2)
    squat = msgspec.structs.replace(squat, payers=(mallory.address,) * 2)

    assert channel.refusal(squat, mallory) == "adjudicator: wrong hash"
    channel.do(channel.opening())
    assert channel.view.opened
