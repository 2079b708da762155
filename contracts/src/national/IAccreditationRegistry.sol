// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRules, PartyId} from "../registry/IRules.sol";
import {SchemeId} from "../registry/Schemes.sol";

/// @title Who may assess and certify
/// @notice Rows 6 to 12 of the rules (CSA 56, 58, 60, 61; EUCC 21 to 24, 31). What ends here keeps from new acts, and touches no certificate.
interface IAccreditationRegistry is IRules {
    enum Standing {
        None,
        Live,
        Suspended,
        Ended
    }

    /// @notice What is changed of an accreditation or an authorisation: its scope becomes smaller, it rests, goes on, or ends.
    enum Restriction {
        Restrict,
        Suspend,
        Resume,
        End
    }

    /// @notice What a body may do, and until when.
    struct Scope {
        SchemeId[] schemes;
        bytes32[] categories;
        uint64 until;
    }

    /// @notice An accreditation, or an authorisation with its highest AVA_VAN.
    struct Grant {
        PartyId by;
        Standing standing;
        uint8 van;
        Scope scope;
    }

    /// @notice Issuing *high* in general.
    struct Delegation {
        PartyId by;
        uint64 until;
        bool isLive;
    }

    /// @notice One certificate, by its commitment, for one body. Whether it was used, the CertificateRegistry knows.
    struct Approval {
        PartyId by;
        uint64 until;
        bool mayBeLonger;
    }

    /// @notice Under which NANDO number a body was notified.
    struct Notification {
        PartyId by;
        uint32 number;
    }

    event BodyAccredited(PartyId indexed body, uint64 until, PartyId indexed by);
    event AccreditationChanged(PartyId indexed body, Restriction change, bytes32 reason, PartyId indexed by);
    event BodyAuthorised(PartyId indexed body, uint8 van, uint64 until, PartyId indexed by);
    event AuthorisationChanged(PartyId indexed body, Restriction change, bytes32 reason, PartyId indexed by);
    event BodyNotified(PartyId indexed body, uint32 number, PartyId indexed by);
    event HighDelegated(PartyId indexed body, uint64 until, PartyId indexed by);
    event DelegationRevoked(PartyId indexed body, PartyId indexed by);
    event CertificateApproved(bytes32 indexed commitment, PartyId indexed body, uint64 until, PartyId indexed by);

    /// @notice Row 6, by the accreditation body of its state; again, to renew.
    function accredit(PartyId body, Scope calldata scope) external;

    /// @notice Row 7, by the same accreditation body. `scope` is that of a restriction, and means nothing otherwise.
    function changeAccreditation(PartyId body, Restriction change, Scope calldata scope, bytes32 reason) external;

    /// @notice Row 8, by the NCCA's supervision key: no longer and no more than it is accredited.
    function authorise(PartyId body, Scope calldata scope, uint8 van) external;

    /// @notice Row 9, by the same NCCA.
    function changeAuthorisation(PartyId body, Restriction change, Scope calldata scope, bytes32 reason) external;

    /// @notice Row 10, by the NCCA: under a NANDO number; for *high* the body must be authorised as well.
    function notifyBody(PartyId body, uint32 number, bool forHigh) external;

    /// @notice Row 11, by the NCCA: no longer than it is authorised.
    function delegateHigh(PartyId body, uint64 until) external;

    /// @notice Row 11, by the same NCCA.
    function revokeDelegation(PartyId body) external;

    /// @notice Row 12, by the NCCA: one certificate, once, before it expires.
    function approve(PartyId body, bytes32 commitment, uint64 until, bool mayBeLonger) external;

    /// @notice What there is of a body.
    function accreditationOf(PartyId body) external view returns (Grant memory);
    function authorisationOf(PartyId body) external view returns (Grant memory);
    function delegationOf(PartyId body) external view returns (Delegation memory);
    function notificationOf(PartyId body) external view returns (Notification memory);
    function approvalOf(bytes32 commitment, PartyId body) external view returns (Approval memory);

    /// @notice Reverts, by this row, unless the body is accredited now, for the scheme and all of these categories.
    function requireAccredited(uint8 row, PartyId body, SchemeId scheme, bytes32[] calldata categories) external view;

    /// @notice Reverts, by this row, unless the body is authorised now, for the scheme, these categories and this AVA_VAN.
    function requireAuthorised(uint8 row, PartyId body, SchemeId scheme, bytes32[] calldata categories, uint8 van)
        external
        view;
}
