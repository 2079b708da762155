// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Facts} from "../registry/Facts.sol";
import {Country, PartyId, PartyKind, Provenance, isBody} from "../registry/IRules.sol";
import {BASIC, HIGH, SchemeId, Terms, isInForce, isLevelOf} from "../registry/Schemes.sol";
import {IAccreditationRegistry} from "./IAccreditationRegistry.sol";
import {Version, VersionId, VulnerabilityId} from "./IArtifactRegistry.sol";
import {CertificateId, ICertificateRegistry} from "./ICertificateRegistry.sol";
import {IMirror} from "./IMirror.sol";
import {IPartyRegistry} from "./IPartyRegistry.sol";
import {ISchemeRegistry} from "./ISchemeRegistry.sol";

/// @title Certificates and statements of conformity, as specified in ICertificateRegistry
/// @dev packages/rules/certificate.ts has the same rules, and test/federation holds the two against each other.
contract CertificateRegistry is ICertificateRegistry, Facts {
    /// @dev Who issues what, under which version of the scheme; refused by this row.
    struct Issue {
        uint8 row;
        Kind kind;
        PartyId by;
        PartyKind role;
        uint32 version;
        Terms terms;
    }

    uint8 private constant IMPORT = 17;
    uint8 private constant ISSUE = 18;
    uint8 private constant ISSUE_PUBLIC = 19;
    uint8 private constant ISSUE_HIGH = 20;
    uint8 private constant ISSUE_LONG = 21;
    uint8 private constant CERTIFY_PROFILE = 22;
    uint8 private constant DECLARE = 23;
    uint8 private constant OPEN_REVIEW = 24;
    uint8 private constant CLOSE_REVIEW = 25;
    uint8 private constant MAINTAIN = 26;
    uint8 private constant SUSPEND = 27;
    uint8 private constant EXTEND = 28;
    uint8 private constant WITHDRAW = 29;
    uint8 private constant COMPONENT = 30;

    Country private immutable _country;
    ISchemeRegistry private immutable _schemes;
    IAccreditationRegistry private immutable _bodies;
    IMirror private immutable _mirror;
    mapping(CertificateId id => Certificate) private _certificates;
    mapping(bytes32 commitment => mapping(PartyId body => bool)) private _isUsed;

    /// @param mirror Where the versions of artifact chains are.
    constructor(IPartyRegistry parties, ISchemeRegistry schemes, IAccreditationRegistry bodies, IMirror mirror)
        Facts(parties, parties)
    {
        IPartyRegistry.ChainKind kind;
        (kind, _country) = parties.chain();
        if (kind != IPartyRegistry.ChainKind.Certification) revert WrongChain(0);
        (_schemes, _bodies, _mirror) = (schemes, bodies, mirror);
    }

    /// @inheritdoc ICertificateRegistry
    function importLegacy(CertificateId id, Legacy calldata legacy) external {
        (PartyId by, Country country) = _actorOf(IMPORT, PartyKind.Ncca);
        _requireSame(IMPORT, _country, country);
        _requireNew(IMPORT, id);
        if (legacy.document == 0) revert Missing(IMPORT, "document");
        (uint32 version, Terms memory terms) = _newest(legacy.scheme);
        if (version == 0) revert Unknown(IMPORT, SchemeId.unwrap(legacy.scheme));
        if (legacy.level != 0) _requireLevel(IMPORT, legacy.level, terms);
        bool isRight = legacy.until == 0 || legacy.until > legacy.since;
        if (!isRight) revert OutOfBounds(IMPORT, legacy.until, legacy.since);
        if (legacy.since > block.timestamp) revert OutOfBounds(IMPORT, legacy.since, block.timestamp);
        _requireHolder(IMPORT, legacy.holder);
        Certificate storage c = _certificates[id];
        (c.scheme, c.schemeVersion, c.level, c.isImported) = (legacy.scheme, version, legacy.level, true);
        (c.issuer, c.ncca, c.holder) = (PartyId.wrap(legacy.issuer), by, legacy.holder);
        (c.document, c.report) = (legacy.document, legacy.document);
        (c.since, c.until) = (legacy.since, legacy.until);
        c.components = legacy.components;
        emit CertificateImported(id, legacy.holder, by);
    }

    /// @inheritdoc ICertificateRegistry
    function issue(CertificateId id, NewCertificate calldata certificate) external {
        _issue(id, certificate);
    }

    /// @inheritdoc ICertificateRegistry
    function certifyProfile(CertificateId id, NewCertificate calldata certificate) external {
        Issue memory act = _actBy(CERTIFY_PROFILE, Kind.Profile);
        (act.version, act.terms) = _newest(certificate.scheme);
        if (act.version == 0) revert Unknown(CERTIFY_PROFILE, SchemeId.unwrap(certificate.scheme));
        if (!act.terms.allowsProfiles) revert OutOfScope(CERTIFY_PROFILE, SchemeId.unwrap(certificate.scheme));
        bool isOfNone = certificate.versions.length == 0 && certificate.series == 0;
        if (!isOfNone) revert OutOfScope(CERTIFY_PROFILE, certificate.series);
        _put(id, certificate, act);
    }

    /// @inheritdoc ICertificateRegistry
    function declare(CertificateId id, Declaration calldata d) external {
        (PartyId by,) = _actorOf(DECLARE, PartyKind.Manufacturer);
        _requireNew(DECLARE, id);
        (uint32 version, Terms memory terms) = _newest(d.scheme);
        if (version == 0) revert Unknown(DECLARE, SchemeId.unwrap(d.scheme));
        if (!isInForce(terms)) revert SchemeEnded(DECLARE, d.scheme);
        bool isAllowed = terms.allowsDeclaration && terms.levels & BASIC != 0;
        if (!isAllowed) revert OutOfScope(DECLARE, SchemeId.unwrap(d.scheme));
        if (d.document == 0) revert Missing(DECLARE, "document");
        if (d.report == 0) revert Missing(DECLARE, "report");
        if (d.versions.length == 0) revert Missing(DECLARE, "versions");
        for (uint256 i = 0; i < d.versions.length; i++) {
            Version memory version_ = _version(DECLARE, d.versions[i]);
            if (!_same(version_.manufacturer, by)) revert NotYours(DECLARE, VersionId.unwrap(d.versions[i]));
            if (!version_.hasSupport) revert NoSupport(DECLARE, d.versions[i]);
        }
        if (d.since > block.timestamp) revert OutOfBounds(DECLARE, d.since, block.timestamp);
        if (d.until <= block.timestamp) revert OutOfBounds(DECLARE, d.until, block.timestamp);
        if (d.until - d.since > terms.maxValidity) revert OutOfBounds(DECLARE, d.until, terms.maxValidity);
        Certificate storage c = _certificates[id];
        (c.kind, c.scheme, c.schemeVersion, c.level) = (Kind.Declaration, d.scheme, version, BASIC);
        (c.issuer, c.holder, c.document, c.report) = (by, by, d.document, d.report);
        (c.since, c.until, c.versions) = (d.since, d.until, d.versions);
        emit ConformityDeclared(id, by);
        _tellVersions(id, d.versions, by);
    }

    /// @inheritdoc ICertificateRegistry
    function openReview(CertificateId id) external {
        (PartyId by, Certificate storage c) = _issued(OPEN_REVIEW, id);
        _requireCurrent(OPEN_REVIEW, id, c);
        if (c.isUnderReview) revert WrongState(OPEN_REVIEW, uint256(_stateOf(c)));
        c.isUnderReview = true;
        emit ReviewOpened(id, by);
    }

    /// @inheritdoc ICertificateRegistry
    function confirmReview(CertificateId id) external {
        _closeReview(id, ReviewEnd.Confirm, 0);
    }

    /// @inheritdoc ICertificateRegistry
    function withdrawReview(CertificateId id, bytes32 reason) external {
        _closeReview(id, ReviewEnd.Withdraw, reason);
    }

    /// @inheritdoc ICertificateRegistry
    function replaceReview(
        CertificateId id,
        bytes32 reason,
        CertificateId newId,
        NewCertificate calldata certificate,
        bool isSameScope
    ) external {
        Certificate storage c = _closeReview(id, ReviewEnd.Replace, reason);
        c.successor = newId;
        if (isSameScope) _requireSameScope(CLOSE_REVIEW, c, certificate);
        _issue(newId, certificate);
    }

    /// @inheritdoc ICertificateRegistry
    function maintain(CertificateId id, CertificateId newId, NewCertificate calldata certificate) external {
        (PartyId by, Certificate storage c) = _issued(MAINTAIN, id);
        _requireCurrent(MAINTAIN, id, c);
        bool isFirst = CertificateId.unwrap(c.successor) == 0;
        if (!isFirst) revert WrongState(MAINTAIN, uint256(_stateOf(c)));
        _requireSameScope(MAINTAIN, c, certificate);
        if (certificate.until > c.until) revert OutOfBounds(MAINTAIN, certificate.until, c.until);
        c.successor = newId;
        emit CertificateMaintained(id, newId, by);
        _issue(newId, certificate);
    }

    /// @inheritdoc ICertificateRegistry
    function suspend(CertificateId id, uint64 until, bytes32 reason, bytes32 actions) external {
        (PartyId by, Certificate storage c) = _issued(SUSPEND, id);
        _requireState(SUSPEND, c, State.InForce);
        if (reason == 0) revert Missing(SUSPEND, "reason");
        if (actions == 0) revert Missing(SUSPEND, "actions");
        Terms memory terms = _schemes.termsOf(c.scheme, c.schemeVersion);
        bool isRight = until > block.timestamp && until - block.timestamp <= terms.maxSuspension;
        if (!isRight) revert OutOfBounds(SUSPEND, until, terms.maxSuspension);
        _lengthen(SUSPEND, c, until, until - uint64(block.timestamp), terms.maxSuspended);
        emit CertificateSuspended(id, until, reason, actions, by);
    }

    /// @inheritdoc ICertificateRegistry
    function lift(CertificateId id) external {
        (PartyId by, Certificate storage c) = _issued(SUSPEND, id);
        _requireState(SUSPEND, c, State.Suspended);
        c.suspended -= c.suspendedUntil - uint64(block.timestamp);
        c.suspendedUntil = uint64(block.timestamp);
        emit SuspensionLifted(id, by);
    }

    /// @inheritdoc ICertificateRegistry
    function extendSuspension(CertificateId id, uint64 until, bytes32 reason) external {
        (PartyId by, Country country) = _actorOf(EXTEND, PartyKind.Ncca);
        Certificate storage c = _certificate(EXTEND, id);
        (, Country its,,,,) = _registry.partyOf(c.issuer);
        _requireSame(EXTEND, its, country);
        _requireState(EXTEND, c, State.Suspended);
        if (reason == 0) revert Missing(EXTEND, "reason");
        if (until <= c.suspendedUntil) revert OutOfBounds(EXTEND, until, c.suspendedUntil);
        Terms memory terms = _schemes.termsOf(c.scheme, c.schemeVersion);
        _lengthen(EXTEND, c, until, until - c.suspendedUntil, terms.maxSuspended);
        emit SuspensionExtended(id, until, reason, by);
    }

    /// @inheritdoc ICertificateRegistry
    function withdraw(CertificateId id, bytes32 reason) external {
        (PartyId by, PartyKind kind,) = _actor(WITHDRAW);
        bool mayBe = _isIssuer(kind) || kind == PartyKind.Ncca || kind == PartyKind.Manufacturer;
        if (!mayBe) revert WrongRole(WITHDRAW, kind);
        Certificate storage c = _certificate(WITHDRAW, id);
        bool isTheirs = _same(by, c.issuer) || _same(by, c.ncca);
        if (!isTheirs) revert NotYours(WITHDRAW, CertificateId.unwrap(id));
        if (c.withdrawn != 0) revert Withdrawn(WITHDRAW, id);
        _withdraw(WITHDRAW, id, c, reason, by);
    }

    /// @inheritdoc ICertificateRegistry
    function notifyComponent(CertificateId id, bytes32 component, VulnerabilityId vulnerability) external {
        (PartyId by,) = _attestor(COMPONENT);
        Certificate storage c = _certificate(COMPONENT, id);
        bool isNamed = false;
        for (uint256 i = 0; i < c.components.length && !isNamed; i++) {
            isNamed = c.components[i] == component;
        }
        if (!isNamed) revert OutOfScope(COMPONENT, component);
        if (VulnerabilityId.unwrap(vulnerability) == 0) revert Missing(COMPONENT, "vulnerability");
        if (_indexOf(c.notified, vulnerability) != c.notified.length) {
            revert Exists(COMPONENT, VulnerabilityId.unwrap(vulnerability));
        }
        c.notified.push(vulnerability);
        emit ComponentNotified(id, component, vulnerability, by);
    }

    /// @inheritdoc ICertificateRegistry
    function clearNotification(CertificateId id, VulnerabilityId vulnerability) external {
        (PartyId by, Certificate storage c) = _issued(COMPONENT, id);
        VulnerabilityId[] storage notified = c.notified;
        uint256 i = _indexOf(notified, vulnerability);
        if (i == notified.length) revert Unknown(COMPONENT, VulnerabilityId.unwrap(vulnerability));
        for (; i + 1 < notified.length; i++) {
            notified[i] = notified[i + 1];
        }
        notified.pop();
        emit NotificationCleared(id, vulnerability, by);
    }

    /// @inheritdoc ICertificateRegistry
    function certificateOf(CertificateId id) external view returns (Certificate memory) {
        return _certificates[id];
    }

    /// @inheritdoc ICertificateRegistry
    function stateOf(CertificateId id) external view returns (State) {
        return _stateOf(_certificates[id]);
    }

    /// @inheritdoc ICertificateRegistry
    function isApprovalUsed(bytes32 commitment, PartyId body) external view returns (bool) {
        return _isUsed[commitment][body];
    }

    /// @dev Rows 18 to 20: which of them, level and scheme say.
    function _issue(CertificateId id, NewCertificate calldata input) private {
        (uint32 version, Terms memory terms) = _newest(input.scheme);
        uint8 row = input.level == HIGH ? ISSUE_HIGH : terms.isPublicOnly ? ISSUE_PUBLIC : ISSUE;
        Issue memory act = _actBy(row, Kind.Certificate);
        (act.version, act.terms) = (version, terms);
        if (version == 0) revert Unknown(row, SchemeId.unwrap(input.scheme));
        _requireVersions(row, input);
        _put(id, input, act);
    }

    function _put(CertificateId id, NewCertificate calldata input, Issue memory act) private {
        _requireNew(act.row, id);
        if (!isInForce(act.terms)) revert SchemeEnded(act.row, input.scheme);
        _requireLevel(act.row, input.level, act.terms);
        if (input.document == 0) revert Missing(act.row, "document");
        if (input.report == 0) revert Missing(act.row, "report");
        _requireHolder(act.row, input.holder);
        _requireTimes(act.row, input);
        PartyId ncca = _useRight(input, act);

        Certificate storage c = _certificates[id];
        (c.kind, c.level, c.van, c.schemeVersion) = (act.kind, input.level, input.van, act.version);
        (c.since, c.until, c.scheme, c.due) = (input.since, input.until, input.scheme, input.due);
        (c.issuer, c.ncca, c.holder, c.itsef) = (act.by, ncca, input.holder, input.itsef);
        (c.series, c.document, c.report) = (input.series, input.document, input.report);
        (c.versions, c.components) = (input.versions, input.components);
        emit CertificateIssued(id, input.holder, act.kind, input.level, act.by);
        _tellVersions(id, input.versions, act.by);
    }

    /// @dev Row 21: longer than the scheme has it, if the NCCA approved that of this certificate (EUCC 12(3)).
    /// @return ncca The NCCA that has a part in it.
    function _useRight(NewCertificate calldata input, Issue memory act) private returns (PartyId ncca) {
        IAccreditationRegistry.Approval memory approval = _bodies.approvalOf(input.document, act.by);
        bool isApproved = block.timestamp < approval.until && !_isUsed[input.document][act.by];
        bool isNeeded = _requireRight(input, act, isApproved);
        if (input.until - input.since > act.terms.maxValidity) {
            bool mayBe = isApproved && approval.mayBeLonger;
            if (!mayBe) revert OutOfBounds(ISSUE_LONG, input.until, act.terms.maxValidity);
            isNeeded = true;
        }
        if (isApproved && isNeeded) {
            _isUsed[input.document][act.by] = true;
            return approval.by;
        }
        if (act.role == PartyKind.CertificationBody) (,,, ncca,,) = _registry.partyOf(act.by);
    }

    /// @return isNeeded Whether it takes an approval of this certificate.
    function _requireRight(NewCertificate calldata input, Issue memory act, bool isApproved)
        private
        view
        returns (bool isNeeded)
    {
        _bodies.requireAccredited(act.row, act.by, input.scheme, input.categories);
        bool isCab = act.role == PartyKind.Cab;
        if (isCab && act.terms.isPublicOnly) revert WrongRole(act.row, act.role);
        if (input.van > act.terms.van[input.level >> 1]) revert OutOfScope(act.row, bytes32(uint256(input.van)));
        bool isHigh = input.level == HIGH;
        bool isOwnBody = act.role == PartyKind.CertificationBody;
        bool mayIssue = !isHigh || isOwnBody || isCab;
        if (!mayIssue) revert WrongRole(act.row, act.role);
        if (!isOwnBody) {
            if (_bodies.notificationOf(act.by).number == 0) revert NotNotified(act.row, act.by);
            bool needsAuthorisation = isHigh || act.terms.authorisedLevels & input.level != 0;
            if (needsAuthorisation) _requireAuthorised(act.row, act.by, input);
        }
        if (isHigh) _requireItsef(act.row, input);
        // Row 22: of a protection profile a CAB needs the approval of each.
        if (isCab && act.kind == Kind.Profile) {
            if (!isApproved) revert NotApproved(act.row, act.by);
            return true;
        }
        if (!isHigh || isOwnBody) return false;
        IAccreditationRegistry.Delegation memory delegation = _bodies.delegationOf(act.by);
        isNeeded = !delegation.isLive || block.timestamp >= delegation.until;
        if (isNeeded && !isApproved) revert NotDelegated(act.row, act.by);
    }

    function _requireItsef(uint8 row, NewCertificate calldata input) private view {
        if (PartyId.unwrap(input.itsef) == 0) revert Missing(row, "itsef");
        (PartyKind kind,) = _partyOf(row, input.itsef);
        if (kind != PartyKind.Itsef) revert WrongRole(row, kind);
        _requireAuthorised(row, input.itsef, input);
    }

    function _requireAuthorised(uint8 row, PartyId body, NewCertificate calldata input) private view {
        _bodies.requireAuthorised(row, body, input.scheme, input.categories, input.van);
    }

    function _requireVersions(uint8 row, NewCertificate calldata input) private view {
        VersionId[] calldata versions = input.versions;
        if (versions.length == 0 && input.series == 0) revert Missing(row, "versions");
        for (uint256 i = 1; i < versions.length; i++) {
            for (uint256 j = 0; j < i; j++) {
                bool isSame = VersionId.unwrap(versions[i]) == VersionId.unwrap(versions[j]);
                if (isSame) revert Exists(row, VersionId.unwrap(versions[i]));
            }
        }
        for (uint256 i = 0; i < versions.length; i++) {
            if (!_version(row, versions[i]).hasSupport) revert NoSupport(row, versions[i]);
        }
    }

    /// @dev As another chain has it.
    function _version(uint8 row, VersionId id) private view returns (Version memory version) {
        Provenance from;
        (version, from) = _mirror.versionOf(id);
        if (from == Provenance.Own) revert Unknown(row, VersionId.unwrap(id));
    }

    function _requireTimes(uint8 row, NewCertificate calldata input) private view {
        (uint64 since, uint64 until) = (input.since, input.until);
        if (since > block.timestamp) revert OutOfBounds(row, since, block.timestamp);
        if (until <= block.timestamp) revert OutOfBounds(row, until, block.timestamp);
        for (uint256 i = 0; i < input.due.length; i++) {
            bool isRight = input.due[i] > since && input.due[i] <= until;
            if (!isRight) revert OutOfBounds(row, input.due[i], until);
        }
    }

    function _closeReview(CertificateId id, ReviewEnd end, bytes32 reason) private returns (Certificate storage c) {
        PartyId by;
        (by, c) = _issued(CLOSE_REVIEW, id);
        if (!c.isUnderReview) revert WrongState(CLOSE_REVIEW, uint256(_stateOf(c)));
        c.isUnderReview = false;
        emit ReviewClosed(id, end, by);
        if (end != ReviewEnd.Confirm) _withdraw(CLOSE_REVIEW, id, c, reason, by);
    }

    function _withdraw(uint8 row, CertificateId id, Certificate storage c, bytes32 reason, PartyId by) private {
        if (reason == 0) revert Missing(row, "reason");
        (c.withdrawn, c.isUnderReview) = (uint64(block.timestamp), false);
        emit CertificateWithdrawn(id, reason, by);
    }

    function _lengthen(uint8 row, Certificate storage c, uint64 until, uint64 by, uint64 most) private {
        uint64 suspended = c.suspended + by;
        if (suspended > most) revert OutOfBounds(row, suspended, most);
        (c.suspendedUntil, c.suspended) = (until, suspended);
    }

    function _tellVersions(CertificateId id, VersionId[] calldata versions, PartyId by) private {
        for (uint256 i = 0; i < versions.length; i++) {
            emit VersionCertified(id, versions[i], by);
        }
    }

    function _actBy(uint8 row, Kind kind) private view returns (Issue memory act) {
        (PartyId by, PartyKind role,) = _actor(row);
        if (!_isIssuer(role)) revert WrongRole(row, role);
        (act.row, act.kind, act.by, act.role) = (row, kind, by, role);
    }

    function _isIssuer(PartyKind kind) private pure returns (bool) {
        return kind == PartyKind.Cab || kind == PartyKind.CertificationBody || kind == PartyKind.PublicBody;
    }

    /// @dev By the body that issued it, which need not be accredited any more: it answers for what it has issued.
    function _issued(uint8 row, CertificateId id) private view returns (PartyId by, Certificate storage c) {
        PartyKind kind;
        (by, kind,) = _actor(row);
        if (!isBody(kind)) revert WrongRole(row, kind);
        c = _certificate(row, id);
        if (!_same(c.issuer, by)) revert NotYours(row, CertificateId.unwrap(id));
    }

    function _certificate(uint8 row, CertificateId id) private view returns (Certificate storage c) {
        c = _certificates[id];
        if (c.document == 0) revert Unknown(row, CertificateId.unwrap(id));
    }

    function _requireNew(uint8 row, CertificateId id) private view {
        if (CertificateId.unwrap(id) == 0) revert Missing(row, "id");
        if (_certificates[id].document != 0) revert Exists(row, CertificateId.unwrap(id));
    }

    function _newest(SchemeId id) private view returns (uint32 version, Terms memory terms) {
        (, version) = _schemes.schemeOf(id);
        terms = _schemes.termsOf(id, version);
    }

    function _requireLevel(uint8 row, uint8 level, Terms memory terms) private pure {
        if (!isLevelOf(level, terms.levels)) revert OutOfScope(row, bytes32(uint256(level)));
    }

    function _requireHolder(uint8 row, PartyId id) private view {
        (PartyKind kind,) = _partyOf(row, id);
        if (kind != PartyKind.Holder && kind != PartyKind.Manufacturer) revert WrongRole(row, kind);
    }

    function _requireSameScope(uint8 row, Certificate storage c, NewCertificate calldata input) private view {
        bool isSame = SchemeId.unwrap(input.scheme) == SchemeId.unwrap(c.scheme) && input.level == c.level;
        if (!isSame) revert Mismatch(row, SchemeId.unwrap(c.scheme));
    }

    function _requireState(uint8 row, Certificate storage c, State wanted) private view {
        State state = _stateOf(c);
        if (state != wanted) revert WrongState(row, uint256(state));
    }

    function _requireCurrent(uint8 row, CertificateId id, Certificate storage c) private view {
        State state = _stateOf(c);
        if (state == State.Withdrawn) revert Withdrawn(row, id);
        if (state != State.InForce && state != State.Suspended) revert WrongState(row, uint256(state));
    }

    function _stateOf(Certificate storage c) private view returns (State) {
        if (c.document == 0) return State.None;
        if (c.withdrawn != 0) return State.Withdrawn;
        if (c.until == 0 || block.timestamp < c.since) return State.Undetermined;
        if (block.timestamp >= c.until) return State.Expired;
        return block.timestamp < c.suspendedUntil ? State.Suspended : State.InForce;
    }

    /// @return The length of the list where it is not there.
    function _indexOf(VulnerabilityId[] storage list, VulnerabilityId one) private view returns (uint256) {
        for (uint256 i = 0; i < list.length; i++) {
            if (VulnerabilityId.unwrap(list[i]) == VulnerabilityId.unwrap(one)) return i;
        }
        return list.length;
    }
}
