// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Country, NewParty, PartyId, PartyKind, isAuthority} from "../registry/IRules.sol";
import {Parties} from "../registry/Parties.sol";
import {IConsortiumRegistry} from "./IConsortiumRegistry.sol";

/// @title The consortium of the EU chain, as specified in IConsortiumRegistry
/// @dev packages/rules/consortium.ts has the same rules, and test/federation holds the two against each other.
contract ConsortiumRegistry is IConsortiumRegistry, Parties {
    struct Proposal {
        ChangeKind kind;
        bool isDone;
        uint64 until;
        PartyId by;
        PartyId[] votes;
        bytes change;
    }

    struct Set {
        bytes32[] validators;
        bytes32[] writers;
        uint256 minimum;
    }

    uint64 private _members;
    uint64 private immutable _numerator;
    uint64 private immutable _denominator;
    uint64 private immutable _period;
    Proposal[] private _proposals;
    mapping(bytes32 chain => Set) private _sets;

    /// @param members The first members, who need nobody's vote.
    /// @param numerator Share of the members that must agree: `numerator` of `denominator`.
    /// @param period Seconds for which a proposal may be voted on.
    constructor(
        NewParty[] memory members,
        uint64 numerator,
        uint64 denominator,
        uint64 period,
        ChainSet[] memory chains
    ) {
        if (members.length == 0) revert Missing(0, "members");
        if (numerator == 0 || numerator > denominator) revert OutOfBounds(0, numerator, denominator);
        for (uint256 i = 0; i < members.length; i++) {
            if (!_isMember(members[i].kind)) revert WrongRole(0, members[i].kind);
            _enter(0, members[i]);
        }
        for (uint256 i = 0; i < chains.length; i++) {
            ChainSet memory c = chains[i];
            if (c.minimum == 0 || c.validators.length < c.minimum) {
                revert BelowMinimum(0, c.validators.length, c.minimum);
            }
            _sets[c.chain] = Set(c.validators, c.writers, c.minimum);
        }
        (_members, _numerator, _denominator, _period) = (uint64(members.length), numerator, denominator, period);
    }

    /// @inheritdoc IConsortiumRegistry
    function proposeSeat(NewParty calldata authority) external returns (uint256) {
        return _propose(ChangeKind.Seat, abi.encode(authority));
    }

    /// @inheritdoc IConsortiumRegistry
    function proposeRemoval(PartyId authority, bytes32 act) external returns (uint256) {
        return _propose(ChangeKind.Remove, abi.encode(authority, act));
    }

    /// @inheritdoc IConsortiumRegistry
    function proposeKey(PartyId authority, address lost, address key, bytes32 act) external returns (uint256) {
        return _propose(ChangeKind.ReplaceKey, abi.encode(authority, lost, key, act));
    }

    /// @inheritdoc IConsortiumRegistry
    function proposeAdmission(NewParty calldata member) external returns (uint256) {
        return _propose(ChangeKind.Admit, abi.encode(member));
    }

    /// @inheritdoc IConsortiumRegistry
    function proposeDismissal(PartyId member, bytes32 act) external returns (uint256) {
        return _propose(ChangeKind.Dismiss, abi.encode(member, act));
    }

    /// @inheritdoc IConsortiumRegistry
    function proposeValidators(bytes32 chain, bytes32[] calldata add, bytes32[] calldata remove)
        external
        returns (uint256)
    {
        return _propose(ChangeKind.Validators, abi.encode(chain, add, remove));
    }

    /// @inheritdoc IConsortiumRegistry
    function proposeWriters(bytes32 chain, bytes32[] calldata add, bytes32[] calldata remove)
        external
        returns (uint256)
    {
        return _propose(ChangeKind.Writers, abi.encode(chain, add, remove));
    }

    /// @inheritdoc IConsortiumRegistry
    function proposeUpgrade(bytes32 contractId, bytes32 code) external returns (uint256) {
        return _propose(ChangeKind.Upgrade, abi.encode(contractId, code));
    }

    /// @inheritdoc IConsortiumRegistry
    function vote(uint256 number) external {
        bool isThere = number != 0 && number <= _proposals.length;
        uint8 row = isThere ? _rowOf(_proposals[number - 1].kind) : 2;
        (PartyId by,) = _memberCalls(row);
        if (!isThere) revert Unknown(row, bytes32(number));
        Proposal storage p = _proposals[number - 1];
        if (p.isDone || block.timestamp >= p.until) revert Closed(row, bytes32(number));
        uint256 agreed = 1;
        for (uint256 i = 0; i < p.votes.length; i++) {
            if (_same(p.votes[i], by)) revert VotedAlready(row, PartyId.unwrap(by));
            // Who was dismissed meanwhile does not count.
            if (_party(p.votes[i]).isActive) agreed++;
        }
        p.votes.push(by);
        emit ChangeConfirmed(number, by);
        if (agreed >= quorum()) {
            // What was right when it was proposed need not be right any more.
            _check(row, p.kind, p.change);
            _make(row, number, p, by);
        }
    }

    /// @inheritdoc IConsortiumRegistry
    function consortium() external view returns (uint64, uint64, uint64, uint64, uint256) {
        return (_members, _numerator, _denominator, _period, _proposals.length);
    }

    /// @inheritdoc IConsortiumRegistry
    function quorum() public view returns (uint256) {
        return (uint256(_members) * _numerator + _denominator - 1) / _denominator;
    }

    /// @inheritdoc IConsortiumRegistry
    function proposal(uint256 number)
        external
        view
        returns (ChangeKind kind, PartyId by, uint64 until, bool isDone, PartyId[] memory votes, bytes memory change)
    {
        if (number == 0 || number > _proposals.length) revert Unknown(2, bytes32(number));
        Proposal storage p = _proposals[number - 1];
        return (p.kind, p.by, p.until, p.isDone, p.votes, p.change);
    }

    /// @inheritdoc IConsortiumRegistry
    function validatorsOf(bytes32 chain) external view returns (bytes32[] memory) {
        return _sets[chain].validators;
    }

    /// @inheritdoc IConsortiumRegistry
    function minimumOf(bytes32 chain) external view returns (uint256) {
        return _sets[chain].minimum;
    }

    /// @inheritdoc IConsortiumRegistry
    function writersOf(bytes32 chain) external view returns (bytes32[] memory) {
        return _sets[chain].writers;
    }

    function _propose(ChangeKind kind, bytes memory change) private returns (uint256 number) {
        uint8 row = _rowOf(kind);
        (PartyId by, Party storage party) = _memberCalls(row);
        _check(row, kind, change);
        if (row == 1) _requireState(row, party, _countryOf(kind, change));
        Proposal storage p = _proposals.push();
        number = _proposals.length;
        (p.kind, p.by, p.until, p.change) = (kind, by, uint64(block.timestamp) + _period, change);
        p.votes.push(by);
        emit ChangeProposed(number, kind, by, change);
        if (quorum() <= 1) _make(row, number, p, by);
    }

    function _memberCalls(uint8 row) private view returns (PartyId by, Party storage party) {
        (by, party) = _anyActor(row);
        if (!_isMember(party.kind)) revert WrongRole(row, party.kind);
    }

    function _requireState(uint8 row, Party storage member, Country country) private view {
        bool isOwn = Country.unwrap(member.country) == Country.unwrap(country);
        if (member.kind != PartyKind.State || !isOwn) revert WrongCountry(row, country, member.country);
    }

    /// @dev The country of the authority that a change is about.
    function _countryOf(ChangeKind kind, bytes memory change) private view returns (Country) {
        if (kind == ChangeKind.Seat) return abi.decode(change, (NewParty)).country;
        PartyId id = kind == ChangeKind.Remove ? _removed(change) : _replaced(change);
        return _party(id).country;
    }

    function _check(uint8 row, ChangeKind kind, bytes memory change) private view {
        if (kind == ChangeKind.Seat || kind == ChangeKind.Admit) {
            _checkNew(row, kind, abi.decode(change, (NewParty)));
        } else if (kind == ChangeKind.Remove || kind == ChangeKind.Dismiss) {
            (PartyId id, bytes32 act) = abi.decode(change, (PartyId, bytes32));
            if (act == 0) revert Missing(row, "act");
            if (kind == ChangeKind.Remove) return _checkAuthority(row, id);
            Party storage member = _party(id);
            if (!member.isActive || !_isMember(member.kind)) revert Unknown(row, PartyId.unwrap(id));
            if (_members <= 1) revert BelowMinimum(row, 0, 1);
        } else if (kind == ChangeKind.ReplaceKey) {
            (PartyId id, address lost, address key, bytes32 act) =
                abi.decode(change, (PartyId, address, address, bytes32));
            if (act == 0) revert Missing(row, "act");
            _checkAuthority(row, id);
            if (_key(lost).since == 0 || !_same(_key(lost).party, id)) revert NotYours(row, _toBytes(lost));
            if (_key(lost).revoked != 0) revert RevokedKey(row, lost);
            _checkKey(row, key);
        } else if (kind == ChangeKind.Upgrade) {
            (bytes32 contractId, bytes32 code) = abi.decode(change, (bytes32, bytes32));
            if (contractId == 0 || code == 0) revert Missing(row, "code");
        } else {
            (bytes32 chain, bytes32[] memory add, bytes32[] memory remove) =
                abi.decode(change, (bytes32, bytes32[], bytes32[]));
            _checkSet(row, kind, chain, add, remove);
        }
    }

    function _checkNew(uint8 row, ChangeKind kind, NewParty memory party) private view {
        if (party.act == 0) revert Missing(row, "act");
        bool isRight = kind == ChangeKind.Seat ? isAuthority(party.kind) : _isMember(party.kind);
        if (!isRight) revert WrongRole(row, party.kind);
        if (_party(party.id).kind != PartyKind.None) revert Exists(row, PartyId.unwrap(party.id));
        _checkKey(row, party.key);
    }

    function _checkKey(uint8 row, address key) private view {
        if (key == address(0)) revert Missing(row, "key");
        if (_key(key).since != 0) revert KeyTaken(row, key);
    }

    function _checkAuthority(uint8 row, PartyId id) private view {
        Party storage party = _party(id);
        if (party.kind == PartyKind.None) revert Unknown(row, PartyId.unwrap(id));
        if (!party.isActive) revert NotActive(row, PartyId.unwrap(id));
        if (!isAuthority(party.kind)) revert WrongRole(row, party.kind);
    }

    function _checkSet(uint8 row, ChangeKind kind, bytes32 chain, bytes32[] memory add, bytes32[] memory remove)
        private
        view
    {
        Set storage set = _sets[chain];
        if (set.minimum == 0) revert Unknown(row, chain);
        if (add.length + remove.length == 0) revert Missing(row, chain);
        bytes32[] storage before = kind == ChangeKind.Validators ? set.validators : set.writers;
        for (uint256 i = 0; i < add.length; i++) {
            if (add[i] == 0 || _indexOf(before, add[i]) != before.length) revert Exists(row, add[i]);
        }
        for (uint256 i = 0; i < remove.length; i++) {
            if (_indexOf(before, remove[i]) == before.length) revert Unknown(row, remove[i]);
        }
        _checkDistinct(row, add);
        _checkDistinct(row, remove);
        uint256 left = before.length + add.length - remove.length;
        if (kind == ChangeKind.Validators && left < set.minimum) revert BelowMinimum(row, left, set.minimum);
    }

    function _checkDistinct(uint8 row, bytes32[] memory list) private pure {
        for (uint256 i = 1; i < list.length; i++) {
            for (uint256 j = 0; j < i; j++) {
                if (list[i] == list[j]) revert Exists(row, list[i]);
            }
        }
    }

    function _make(uint8 row, uint256 number, Proposal storage p, PartyId by) private {
        ChangeKind kind = p.kind;
        bytes memory change = p.change;
        p.isDone = true;
        if (kind == ChangeKind.Seat || kind == ChangeKind.Admit) {
            _enter(row, abi.decode(change, (NewParty)));
            if (kind == ChangeKind.Admit) _members++;
        } else if (kind == ChangeKind.Remove || kind == ChangeKind.Dismiss) {
            _party(_removed(change)).isActive = false;
            if (kind == ChangeKind.Dismiss) _members--;
        } else if (kind == ChangeKind.ReplaceKey) {
            (PartyId id, address lost, address key,) = abi.decode(change, (PartyId, address, address, bytes32));
            _revoke(by, lost);
            _enterKey(row, id, key);
            emit KeyAdded(id, key, by);
        } else if (kind == ChangeKind.Upgrade) {
            (bytes32 contractId, bytes32 code) = abi.decode(change, (bytes32, bytes32));
            emit UpgradeApproved(contractId, code);
        } else {
            _makeSet(kind, change);
        }
        emit ChangeMade(number, kind, by);
    }

    function _makeSet(ChangeKind kind, bytes memory change) private {
        (bytes32 chain, bytes32[] memory add, bytes32[] memory remove) =
            abi.decode(change, (bytes32, bytes32[], bytes32[]));
        Set storage set = _sets[chain];
        bytes32[] storage list = kind == ChangeKind.Validators ? set.validators : set.writers;
        for (uint256 i = 0; i < remove.length; i++) {
            // In their order, as whoever follows the set reads it.
            for (uint256 j = _indexOf(list, remove[i]) + 1; j < list.length; j++) {
                list[j - 1] = list[j];
            }
            list.pop();
        }
        for (uint256 i = 0; i < add.length; i++) {
            list.push(add[i]);
        }
        if (kind == ChangeKind.Validators) emit ValidatorsChanged(chain, add, remove);
        else emit WritersChanged(chain, add, remove);
    }

    function _enter(uint8 row, NewParty memory p) private {
        _enterParty(row, p.id, p.kind, p.country, p.key, p.act, NOBODY);
    }

    function _removed(bytes memory change) private pure returns (PartyId id) {
        (id,) = abi.decode(change, (PartyId, bytes32));
    }

    function _replaced(bytes memory change) private pure returns (PartyId id) {
        (id,,,) = abi.decode(change, (PartyId, address, address, bytes32));
    }

    /// @dev Row 1: a change of an authority; row 2: all else.
    function _rowOf(ChangeKind kind) private pure returns (uint8) {
        return kind <= ChangeKind.ReplaceKey ? 1 : 2;
    }

    function _isMember(PartyKind kind) private pure returns (bool) {
        return kind >= PartyKind.Commission && kind <= PartyKind.State;
    }

    /// @return The length of the list where it is not there.
    function _indexOf(bytes32[] storage list, bytes32 one) private view returns (uint256) {
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i] == one) return i;
        }
        return list.length;
    }
}
