// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Actors} from "../registry/Actors.sol";
import {Country, PartyId, PartyKind, isBody} from "../registry/IRules.sol";
import {SchemeId} from "../registry/Schemes.sol";
import {IAccreditationRegistry} from "./IAccreditationRegistry.sol";
import {IPartyRegistry} from "./IPartyRegistry.sol";
import {ISchemeRegistry} from "./ISchemeRegistry.sol";

/// @title Who may assess and certify, as specified in IAccreditationRegistry
/// @dev packages/rules/accreditation.ts has the same rules, and test/federation holds the two against each other.
contract AccreditationRegistry is IAccreditationRegistry, Actors {
    uint8 private constant ACCREDIT = 6;
    uint8 private constant CHANGE_ACCREDITATION = 7;
    uint8 private constant AUTHORISE = 8;
    uint8 private constant CHANGE_AUTHORISATION = 9;
    uint8 private constant NOTIFY = 10;
    uint8 private constant DELEGATE = 11;
    uint8 private constant APPROVE = 12;
    /// @dev The highest level of AVA_VAN (Common Criteria, part 3).
    uint8 private constant TOP_VAN = 5;
    uint32 private constant MOST_NUMBER = 999_999;

    ISchemeRegistry private immutable _schemes;
    mapping(PartyId body => Grant) private _accreditations;
    mapping(PartyId body => Grant) private _authorisations;
    mapping(PartyId body => Notification) private _notifications;
    mapping(PartyId body => Delegation) private _delegations;
    mapping(bytes32 commitment => mapping(PartyId body => Approval)) private _approvals;

    constructor(IPartyRegistry parties, ISchemeRegistry schemes) Actors(parties) {
        _schemes = schemes;
    }

    /// @inheritdoc IAccreditationRegistry
    function accredit(PartyId body, Scope calldata scope) external {
        (PartyId by, Country country) = _actorOf(ACCREDIT, PartyKind.Nab);
        _requireOwnBody(ACCREDIT, body, country);
        _requireFree(ACCREDIT, by, body, _accreditations[body]);
        uint64 longest = _longest(scope.schemes);
        if (scope.until <= block.timestamp) revert OutOfBounds(ACCREDIT, scope.until, block.timestamp);
        if (scope.until - block.timestamp > longest) revert OutOfBounds(ACCREDIT, scope.until, longest);
        _accreditations[body] = Grant(by, Standing.Live, 0, scope);
        emit BodyAccredited(body, scope.until, by);
    }

    /// @inheritdoc IAccreditationRegistry
    function changeAccreditation(PartyId body, Restriction change, Scope calldata scope, bytes32 reason) external {
        (PartyId by,) = _actorOf(CHANGE_ACCREDITATION, PartyKind.Nab);
        Grant storage grant = _accreditations[body];
        if (grant.standing == Standing.None) revert NotAccredited(CHANGE_ACCREDITATION, body);
        _change(CHANGE_ACCREDITATION, by, grant, change, scope, reason);
        emit AccreditationChanged(body, change, reason, by);
    }

    /// @inheritdoc IAccreditationRegistry
    function authorise(PartyId body, Scope calldata scope, uint8 van) external {
        PartyId by = _nccaCalls(AUTHORISE, body);
        Grant storage accreditation = _liveAccreditation(AUTHORISE, body);
        if (scope.schemes.length == 0) revert Missing(AUTHORISE, "schemes");
        _requireWithin(AUTHORISE, scope, accreditation.scope);
        if (scope.until <= block.timestamp) revert OutOfBounds(AUTHORISE, scope.until, block.timestamp);
        if (van > TOP_VAN) revert OutOfBounds(AUTHORISE, van, TOP_VAN);
        _requireFree(AUTHORISE, by, body, _authorisations[body]);
        _authorisations[body] = Grant(by, Standing.Live, van, scope);
        emit BodyAuthorised(body, van, scope.until, by);
    }

    /// @inheritdoc IAccreditationRegistry
    function changeAuthorisation(PartyId body, Restriction change, Scope calldata scope, bytes32 reason) external {
        (PartyId by,) = _actorOf(CHANGE_AUTHORISATION, PartyKind.Ncca);
        Grant storage grant = _authorisations[body];
        if (grant.standing == Standing.None) revert NotAuthorised(CHANGE_AUTHORISATION, body);
        _change(CHANGE_AUTHORISATION, by, grant, change, scope, reason);
        emit AuthorisationChanged(body, change, reason, by);
    }

    /// @inheritdoc IAccreditationRegistry
    function notifyBody(PartyId body, uint32 number, bool forHigh) external {
        PartyId by = _nccaCalls(NOTIFY, body);
        _liveAccreditation(NOTIFY, body);
        if (forHigh) _liveAuthorisation(NOTIFY, body);
        if (number == 0 || number > MOST_NUMBER) revert Missing(NOTIFY, "number");
        _notifications[body] = Notification(by, number);
        emit BodyNotified(body, number, by);
    }

    /// @inheritdoc IAccreditationRegistry
    function delegateHigh(PartyId body, uint64 until) external {
        PartyId by = _nccaCalls(DELEGATE, body);
        (PartyKind kind,) = _partyOf(DELEGATE, body);
        if (kind != PartyKind.Cab) revert WrongRole(DELEGATE, kind);
        uint64 last = _liveAuthorisation(DELEGATE, body).scope.until;
        if (until <= block.timestamp || until > last) revert OutOfBounds(DELEGATE, until, last);
        _delegations[body] = Delegation(by, until, true);
        emit HighDelegated(body, until, by);
    }

    /// @inheritdoc IAccreditationRegistry
    function revokeDelegation(PartyId body) external {
        (PartyId by,) = _actorOf(DELEGATE, PartyKind.Ncca);
        Delegation storage d = _delegations[body];
        if (!d.isLive) revert NotDelegated(DELEGATE, body);
        if (!_same(d.by, by)) revert NotYours(DELEGATE, PartyId.unwrap(body));
        d.isLive = false;
        emit DelegationRevoked(body, by);
    }

    /// @inheritdoc IAccreditationRegistry
    function approve(PartyId body, bytes32 commitment, uint64 until, bool mayBeLonger) external {
        PartyId by = _nccaCalls(APPROVE, body);
        if (commitment == 0) revert Missing(APPROVE, "commitment");
        if (until <= block.timestamp) revert OutOfBounds(APPROVE, until, block.timestamp);
        if (_approvals[commitment][body].until != 0) revert Exists(APPROVE, commitment);
        _approvals[commitment][body] = Approval(by, until, mayBeLonger);
        emit CertificateApproved(commitment, body, until, by);
    }

    /// @inheritdoc IAccreditationRegistry
    function accreditationOf(PartyId body) external view returns (Grant memory) {
        return _accreditations[body];
    }

    /// @inheritdoc IAccreditationRegistry
    function authorisationOf(PartyId body) external view returns (Grant memory) {
        return _authorisations[body];
    }

    /// @inheritdoc IAccreditationRegistry
    function delegationOf(PartyId body) external view returns (Delegation memory) {
        return _delegations[body];
    }

    /// @inheritdoc IAccreditationRegistry
    function notificationOf(PartyId body) external view returns (Notification memory) {
        return _notifications[body];
    }

    /// @inheritdoc IAccreditationRegistry
    function approvalOf(bytes32 commitment, PartyId body) external view returns (Approval memory) {
        return _approvals[commitment][body];
    }

    /// @inheritdoc IAccreditationRegistry
    function requireAccredited(uint8 row, PartyId body, SchemeId scheme, bytes32[] calldata categories) external view {
        if (!_covers(_liveAccreditation(row, body), scheme, categories)) {
            revert OutOfScope(row, SchemeId.unwrap(scheme));
        }
    }

    /// @inheritdoc IAccreditationRegistry
    function requireAuthorised(uint8 row, PartyId body, SchemeId scheme, bytes32[] calldata categories, uint8 van)
        external
        view
    {
        Grant storage grant = _liveAuthorisation(row, body);
        if (van > grant.van || !_covers(grant, scheme, categories)) revert NotAuthorised(row, body);
    }

    /// @dev The NCCA of the body's own state.
    function _nccaCalls(uint8 row, PartyId body) private view returns (PartyId by) {
        Country country;
        (by, country) = _actorOf(row, PartyKind.Ncca);
        _requireOwnBody(row, body, country);
    }

    function _requireOwnBody(uint8 row, PartyId body, Country country) private view {
        (PartyKind kind, Country its) = _partyOf(row, body);
        if (!isBody(kind)) revert WrongRole(row, kind);
        _requireSame(row, its, country);
    }

    /// @dev CSA 60(4): five years at most, as data of each scheme.
    function _longest(SchemeId[] calldata schemes) private view returns (uint64 longest) {
        if (schemes.length == 0) revert Missing(ACCREDIT, "schemes");
        longest = type(uint64).max;
        for (uint256 i = 0; i < schemes.length; i++) {
            (, uint32 version) = _schemes.schemeOf(schemes[i]);
            if (version == 0) revert Unknown(ACCREDIT, SchemeId.unwrap(schemes[i]));
            uint64 most = _schemes.termsOf(schemes[i], version).maxAccreditation;
            if (most < longest) longest = most;
        }
    }

    /// @dev What there is, another authority may grant anew only once it has ended.
    function _requireFree(uint8 row, PartyId by, PartyId body, Grant storage before) private view {
        bool isOpen = before.standing == Standing.Live || before.standing == Standing.Suspended;
        if (isOpen && !_same(before.by, by)) revert NotYours(row, PartyId.unwrap(body));
    }

    function _isLive(Grant storage grant) private view returns (bool) {
        return grant.standing == Standing.Live && block.timestamp < grant.scope.until;
    }

    function _liveAccreditation(uint8 row, PartyId body) private view returns (Grant storage grant) {
        grant = _accreditations[body];
        if (!_isLive(grant)) revert NotAccredited(row, body);
    }

    /// @dev It ends with the accreditation, whatever it says itself.
    function _liveAuthorisation(uint8 row, PartyId body) private view returns (Grant storage grant) {
        _liveAccreditation(row, body);
        grant = _authorisations[body];
        if (!_isLive(grant)) revert NotAuthorised(row, body);
    }

    function _change(
        uint8 row,
        PartyId by,
        Grant storage grant,
        Restriction change,
        Scope calldata scope,
        bytes32 reason
    ) private {
        if (!_same(grant.by, by)) revert NotYours(row, PartyId.unwrap(grant.by));
        if (reason == 0) revert Missing(row, "reason");
        Standing s = grant.standing;
        bool isRight = change == Restriction.Suspend
            ? s == Standing.Live
            : change == Restriction.Resume ? s == Standing.Suspended : s == Standing.Live || s == Standing.Suspended;
        if (!isRight) revert WrongState(row, uint256(s));
        if (change == Restriction.Restrict) {
            _requireWithin(row, scope, grant.scope);
            grant.scope = scope;
        } else if (change == Restriction.Suspend) {
            grant.standing = Standing.Suspended;
        } else {
            grant.standing = change == Restriction.Resume ? Standing.Live : Standing.Ended;
        }
    }

    function _requireWithin(uint8 row, Scope calldata scope, Scope storage outer) private view {
        for (uint256 i = 0; i < scope.schemes.length; i++) {
            if (!_hasScheme(outer, scope.schemes[i])) revert OutOfScope(row, SchemeId.unwrap(scope.schemes[i]));
        }
        for (uint256 i = 0; i < scope.categories.length; i++) {
            if (!_hasCategory(outer, scope.categories[i])) revert OutOfScope(row, scope.categories[i]);
        }
        if (scope.until > outer.until) revert OutOfBounds(row, scope.until, outer.until);
    }

    function _covers(Grant storage grant, SchemeId scheme, bytes32[] calldata categories) private view returns (bool) {
        if (!_hasScheme(grant.scope, scheme)) return false;
        for (uint256 i = 0; i < categories.length; i++) {
            if (!_hasCategory(grant.scope, categories[i])) return false;
        }
        return true;
    }

    function _hasScheme(Scope storage scope, SchemeId scheme) private view returns (bool) {
        for (uint256 i = 0; i < scope.schemes.length; i++) {
            if (SchemeId.unwrap(scope.schemes[i]) == SchemeId.unwrap(scheme)) return true;
        }
        return false;
    }

    function _hasCategory(Scope storage scope, bytes32 category) private view returns (bool) {
        for (uint256 i = 0; i < scope.categories.length; i++) {
            if (scope.categories[i] == category) return true;
        }
        return false;
    }
}
