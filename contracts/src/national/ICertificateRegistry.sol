// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRules, PartyId} from "../registry/IRules.sol";
import {SchemeId} from "../registry/Schemes.sol";
import {VersionId, VulnerabilityId} from "./IArtifactRegistry.sol";

/// @notice A certificate, or a statement of conformity.
type CertificateId is bytes32;

/// @title Certificates and statements of conformity, from issue to end
/// @notice Rows 17 to 30 of the rules (CSA 53, 56, 57; EUCC 9, 12 to 20, 25, 30, 33 to 36). A level is one bit, as in the terms of a scheme.
/// A certificate keeps the version of the scheme that it was issued under; it expires by itself, and a suspension ends by itself.
interface ICertificateRegistry is IRules {
    enum Kind {
        Certificate,
        Profile,
        Declaration
    }

    /// @notice What is public of it at a time. A review or a component's vulnerability changes none of it.
    enum State {
        None,
        /// Imported with dates that nobody knows, or not begun.
        Undetermined,
        InForce,
        Suspended,
        Expired,
        Withdrawn
    }

    /// @notice How a review ends: nothing has changed, the certificate is withdrawn, or another takes its place.
    enum ReviewEnd {
        Confirm,
        Withdraw,
        Replace
    }

    /// @notice What a new certificate says. Zero and empty where it says nothing.
    struct NewCertificate {
        SchemeId scheme;
        uint8 level;
        PartyId holder;
        VersionId[] versions;
        /// SHA-256 of what documents a series.
        bytes32 series;
        /// Certificates or versions of components, here or on another chain.
        bytes32[] components;
        /// Of what is certified; a body's scope must have them.
        bytes32[] categories;
        /// SHA-256 of its public part, and of the certification report.
        bytes32 document;
        bytes32 report;
        PartyId itsef;
        /// AVA_VAN.
        uint8 van;
        uint64 since;
        uint64 until;
        /// Due dates of its monitoring.
        uint64[] due;
    }

    /// @notice What was certified before. `level` and `until` are 0 where nobody knows them.
    struct Legacy {
        SchemeId scheme;
        uint8 level;
        bytes32 issuer;
        PartyId holder;
        bytes32[] components;
        /// SHA-256 of what it was taken from.
        bytes32 document;
        uint64 since;
        uint64 until;
    }

    /// @notice A statement of conformity. `document` and `report` are what NCCA and ENISA have.
    struct Declaration {
        SchemeId scheme;
        VersionId[] versions;
        bytes32 document;
        bytes32 report;
        uint64 since;
        uint64 until;
    }

    struct Certificate {
        Kind kind;
        uint8 level;
        uint8 van;
        uint32 schemeVersion;
        bool isImported;
        bool isUnderReview;
        uint64 since;
        /// 0: nobody knows, and it is never in force.
        uint64 until;
        uint64 withdrawn;
        uint64 suspendedUntil;
        /// Seconds of suspension that it has had or been given.
        uint64 suspended;
        SchemeId scheme;
        PartyId issuer;
        /// The NCCA that approved it, or whose body issued it.
        PartyId ncca;
        PartyId holder;
        PartyId itsef;
        bytes32 series;
        bytes32 document;
        bytes32 report;
        CertificateId successor;
        VersionId[] versions;
        bytes32[] components;
        /// Vulnerabilities of components that it was told of and nobody has cleared.
        VulnerabilityId[] notified;
        uint64[] due;
    }

    event CertificateImported(CertificateId indexed certificate, PartyId indexed holder, PartyId indexed by);
    event CertificateIssued(
        CertificateId indexed certificate, PartyId indexed holder, Kind kind, uint8 level, PartyId indexed by
    );
    /// @notice A version that a certificate or a statement of conformity is about.
    event VersionCertified(CertificateId indexed certificate, VersionId indexed version, PartyId indexed by);
    event ConformityDeclared(CertificateId indexed certificate, PartyId indexed by);
    event ReviewOpened(CertificateId indexed certificate, PartyId indexed by);
    event ReviewClosed(CertificateId indexed certificate, ReviewEnd end, PartyId indexed by);
    /// @notice A minor change: `successor` is the certificate of what was changed.
    event CertificateMaintained(CertificateId indexed certificate, CertificateId indexed successor, PartyId indexed by);
    event CertificateSuspended(
        CertificateId indexed certificate, uint64 until, bytes32 reason, bytes32 actions, PartyId indexed by
    );
    event SuspensionLifted(CertificateId indexed certificate, PartyId indexed by);
    event SuspensionExtended(CertificateId indexed certificate, uint64 until, bytes32 reason, PartyId indexed by);
    event CertificateWithdrawn(CertificateId indexed certificate, bytes32 reason, PartyId indexed by);
    event ComponentNotified(
        CertificateId indexed certificate, bytes32 indexed component, VulnerabilityId vulnerability, PartyId indexed by
    );
    event NotificationCleared(CertificateId indexed certificate, VulnerabilityId vulnerability, PartyId indexed by);

    /// @notice The body has no NANDO number.
    error NotNotified(uint8 row, PartyId body);
    /// @notice The NCCA has not approved this certificate.
    error NotApproved(uint8 row, PartyId body);
    /// @notice Nothing is issued under the scheme now.
    error SchemeEnded(uint8 row, SchemeId scheme);
    /// @notice The manufacturer has not said what Article 55 asks for.
    error NoSupport(uint8 row, VersionId version);
    /// @notice It was withdrawn, for good.
    error Withdrawn(uint8 row, CertificateId certificate);

    /// @notice Row 17, by the NCCA: what was certified before, with its own dates.
    function importLegacy(CertificateId id, Legacy calldata legacy) external;

    /// @notice Rows 18 to 21, by a body. An approval (row 12) is used where the certificate needs it.
    function issue(CertificateId id, NewCertificate calldata certificate) external;

    /// @notice Row 22, by a body: a protection profile, which is about no version.
    function certifyProfile(CertificateId id, NewCertificate calldata certificate) external;

    /// @notice Row 23, by the manufacturer of the versions.
    function declare(CertificateId id, Declaration calldata declaration) external;

    /// @notice Row 24, by the issuing body.
    function openReview(CertificateId id) external;

    /// @notice Row 25, by the issuing body: it stays as it is.
    function confirmReview(CertificateId id) external;

    /// @notice Row 25, by the issuing body: it is withdrawn.
    function withdrawReview(CertificateId id, bytes32 reason) external;

    /// @notice Row 25, by the issuing body: it is withdrawn, and another issued in its place.
    /// @param isSameScope Whether scheme and level must be the same.
    function replaceReview(
        CertificateId id,
        bytes32 reason,
        CertificateId newId,
        NewCertificate calldata certificate,
        bool isSameScope
    ) external;

    /// @notice Row 26, by the issuing body: a certificate of what was changed, which ends no later.
    function maintain(CertificateId id, CertificateId newId, NewCertificate calldata certificate) external;

    /// @notice Row 27, by the issuing body: `actions` is what the holder is to do.
    function suspend(CertificateId id, uint64 until, bytes32 reason, bytes32 actions) external;

    /// @notice Row 27, by the issuing body.
    function lift(CertificateId id) external;

    /// @notice Row 28, by the NCCA of the issuing body's state.
    function extendSuspension(CertificateId id, uint64 until, bytes32 reason) external;

    /// @notice Row 29, by the issuing body, and by the NCCA that had a part in it.
    function withdraw(CertificateId id, bytes32 reason) external;

    /// @notice Row 30: a vulnerability of a component that the certificate names; on the NCCA's word, or from the inbox.
    function notifyComponent(CertificateId id, bytes32 component, VulnerabilityId vulnerability) external;

    /// @notice Row 30, by the issuing body.
    function clearNotification(CertificateId id, VulnerabilityId vulnerability) external;

    /// @notice A certificate; all zero where there is none.
    function certificateOf(CertificateId id) external view returns (Certificate memory);

    /// @notice What it is at the block's time.
    function stateOf(CertificateId id) external view returns (State);

    /// @notice Whether a body has used the approval of a certificate.
    function isApprovalUsed(bytes32 commitment, PartyId body) external view returns (bool);
}
