// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccreditationRegistry} from "../src/national/AccreditationRegistry.sol";
import {CertificateRegistry} from "../src/national/CertificateRegistry.sol";
import {IAccreditationRegistry} from "../src/national/IAccreditationRegistry.sol";
import {CertificateId, ICertificateRegistry} from "../src/national/ICertificateRegistry.sol";
import {PartyId} from "../src/registry/IRules.sol";
import {
    CAB,
    CertificationChain,
    HIGH_CAB,
    ITSEF,
    NAB,
    NCCA,
    OWN_BODY,
    PUBLIC_BODY,
    YEAR,
    idOf,
    keyOf
} from "./Chains.sol";
import {vm} from "./Vm.sol";

/// @dev Bodies that issue whatever they can, while their accreditations, authorisations and delegations come and go. What each needs for a
/// certificate is worked out here anew, from the views, and held against what the contract has let through.
contract CertificateHandler {
    uint8 private constant HIGH = 4;

    CertificationChain public immutable CHAIN = new CertificationChain();
    CertificateRegistry private immutable CERTIFICATES = CHAIN.CERTIFICATES();
    AccreditationRegistry private immutable BODIES = CHAIN.BODIES();
    uint256[5] private bodies = [CAB, HIGH_CAB, OWN_BODY, PUBLIC_BODY, ITSEF];
    bytes32[3] private documents = [bytes32("one"), "two", "three"];
    uint256 public count;
    mapping(uint256 n => bytes32) public said;
    mapping(uint256 n => bool) public isWithdrawn;
    mapping(bytes32 document => mapping(uint256 body => uint256)) public uses;

    function issue(uint8 by, uint8 level, uint8 what, uint16 length, bool isPublic) external {
        if (count > 10) return;
        // Mostly what takes an approval, or few would be used.
        uint256 body = by % 3 == 0 ? bodies[by % 4] : HIGH_CAB;
        bytes32 document = documents[what % 3];
        ICertificateRegistry.NewCertificate memory input =
            CHAIN.input(level % 2 == 0 ? HIGH : uint8(1 << (level % 3)), document);
        if (isPublic && level % 3 == 0) input.scheme = CHAIN.PUBLIC();
        if (by % 4 == 0) input.van = what % 7;
        input.until = input.since + 181 days + uint64(length) * 1 hours / 2;
        bool isLong = input.until - input.since > 2 * YEAR;
        (bool isRight, bool isNeeded) = _right(body, input, isPublic && level % 3 == 0);
        bool isApproved = _isApproved(body, document, isLong);
        CertificateId id = idAt(count);
        vm.prank(keyOf(body));
        try CERTIFICATES.issue(id, input) {
            vm.assertTrue(isRight, "issued without right");
            vm.assertTrue(isApproved || !(isNeeded || isLong), "issued without an approval that it takes");
            if (isNeeded || isLong) uses[document][body]++;
            said[count] = _saying(id);
            count++;
        } catch {
            vm.assertFalse(isRight && (isApproved || !(isNeeded || isLong)), "refused though everything is right");
        }
    }

    function accreditation(uint8 which, uint8 what) external {
        PartyId body = idOf(bodies[which % 5]);
        IAccreditationRegistry.Scope memory scope = CHAIN.scope(4 * YEAR);
        vm.prank(keyOf(NAB));
        if (what % 5 == 0) {
            try BODIES.accredit(body, scope) {} catch {}
        } else {
            try BODIES.changeAccreditation(body, IAccreditationRegistry.Restriction(what % 4), scope, "why") {} catch {}
        }
    }

    function authorisation(uint8 which, uint8 what) external {
        PartyId body = idOf(bodies[which % 5]);
        IAccreditationRegistry.Scope memory scope = CHAIN.scope(YEAR);
        vm.prank(keyOf(NCCA));
        if (what % 3 == 0) {
            try BODIES.authorise(body, scope, 1 + what % 5) {} catch {}
        } else {
            try BODIES.changeAuthorisation(body, IAccreditationRegistry.Restriction(what % 4), scope, "why") {} catch {}
        }
    }

    function delegation(bool isOn, uint32 time) external {
        uint64 until = uint64(block.timestamp) + time % YEAR;
        vm.prank(keyOf(NCCA));
        if (isOn) {
            try BODIES.delegateHigh(idOf(HIGH_CAB), until) {} catch {}
        } else {
            try BODIES.revokeDelegation(idOf(HIGH_CAB)) {} catch {}
        }
    }

    function approve(uint8 by, uint8 what, bool mayBeLonger) external {
        uint64 until = uint64(block.timestamp) + YEAR;
        PartyId body = idOf(by % 3 == 0 ? bodies[by % 4] : HIGH_CAB);
        vm.prank(keyOf(NCCA));
        try BODIES.approve(body, documents[what % 3], until, mayBeLonger) {} catch {}
    }

    function change(uint8 which, uint8 what, uint32 time, bool isNcca) external {
        bool isRare = what % 7 == 6; // or nothing would be left
        if (count == 0 || (isRare && time % 8 != 0)) return;
        uint256 n = which % count;
        CertificateId id = idAt(n);
        uint64 until = uint64(block.timestamp) + time % 60 days;
        PartyId issuer = CERTIFICATES.certificateOf(id).issuer;
        vm.prank(isNcca ? keyOf(NCCA) : keyOf(uint256(PartyId.unwrap(issuer))));
        if (what % 7 < 2) {
            try CERTIFICATES.suspend(id, until, "why", "what") {} catch {}
        } else if (what % 7 == 2) {
            try CERTIFICATES.extendSuspension(id, until, "why") {} catch {}
        } else if (what % 7 == 3) {
            try CERTIFICATES.lift(id) {} catch {}
        } else if (what % 7 == 4) {
            try CERTIFICATES.openReview(id) {} catch {}
        } else if (what % 7 == 5) {
            try CERTIFICATES.confirmReview(id) {} catch {}
        } else {
            try CERTIFICATES.withdraw(id, "why") {
                isWithdrawn[n] = true;
            } catch {}
        }
    }

    function pass(uint32 time) external {
        vm.warp(block.timestamp + time % 60 days);
    }

    function idAt(uint256 n) public pure returns (CertificateId) {
        return CertificateId.wrap(bytes32(0xce00 + n));
    }

    /// @dev What it says, which never changes.
    function sayingOf(uint256 n) external view returns (bytes32) {
        return _saying(idAt(n));
    }

    function _saying(CertificateId id) private view returns (bytes32) {
        ICertificateRegistry.Certificate memory c = CERTIFICATES.certificateOf(id);
        c.isUnderReview = false;
        (c.withdrawn, c.suspendedUntil, c.suspended) = (0, 0, 0);
        return keccak256(abi.encode(c));
    }

    function _isApproved(uint256 body, bytes32 document, bool isLong) private view returns (bool) {
        IAccreditationRegistry.Approval memory approval = BODIES.approvalOf(document, idOf(body));
        bool isOpen = block.timestamp < approval.until && uses[document][body] == 0;
        return isOpen && (approval.mayBeLonger || !isLong);
    }

    /// @return isRight Whether it may issue this, but for an approval; and whether it needs one for the level.
    function _right(uint256 body, ICertificateRegistry.NewCertificate memory input, bool isPublic)
        private
        view
        returns (bool isRight, bool isNeeded)
    {
        bool isHigh = input.level == HIGH;
        bool isCab = body == CAB || body == HIGH_CAB;
        isRight = _isLive(BODIES.accreditationOf(idOf(body))) && !(isPublic && isCab);
        isRight = isRight && input.van <= (input.level == 1 ? 0 : isHigh ? 5 : 2);
        if (!isHigh) return (isRight, false);
        isRight = isRight && (isCab || body == OWN_BODY) && _isAuthorised(ITSEF, input.van);
        if (body == OWN_BODY) return (isRight, false);
        IAccreditationRegistry.Delegation memory d = BODIES.delegationOf(idOf(body));
        return (isRight && _isAuthorised(body, input.van), !d.isLive || block.timestamp >= d.until);
    }

    function _isAuthorised(uint256 body, uint8 van) private view returns (bool) {
        IAccreditationRegistry.Grant memory grant = BODIES.authorisationOf(idOf(body));
        return _isLive(BODIES.accreditationOf(idOf(body))) && _isLive(grant) && van <= grant.van;
    }

    function _isLive(IAccreditationRegistry.Grant memory grant) private view returns (bool) {
        return grant.standing == IAccreditationRegistry.Standing.Live && block.timestamp < grant.scope.until;
    }
}

contract CertificateInvariants {
    CertificateHandler private handler;
    CertificateRegistry private certificates;

    function setUp() public {
        handler = new CertificateHandler();
        certificates = handler.CHAIN().CERTIFICATES();
    }

    function targetContracts() public view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// No certificate without right, and none refused that has it: the handler looks at each. What one says stays, and no approval is used
    /// twice.
    function invariant_certificatesAreOfRightAndStay() public view {
        for (uint256 n = 0; n < handler.count(); n++) {
            vm.assertEq(handler.sayingOf(n), handler.said(n));
            CertificateId id = handler.idAt(n);
            bool isOver = certificates.stateOf(id) == ICertificateRegistry.State.Withdrawn;
            vm.assertEq(isOver, handler.isWithdrawn(n), "withdrawn for good, and by nobody else");
            bool isRight = certificates.certificateOf(id).suspended <= 100 days;
            vm.assertTrue(isRight, "suspended longer than the scheme has it");
        }
        uint256[3] memory bodies = [CAB, HIGH_CAB, PUBLIC_BODY];
        bytes32[3] memory documents = [bytes32("one"), "two", "three"];
        for (uint256 i = 0; i < 9; i++) {
            (uint256 body, bytes32 document) = (bodies[i / 3], documents[i % 3]);
            vm.assertTrue(handler.uses(document, body) <= 1);
            vm.assertEq(certificates.isApprovalUsed(document, idOf(body)), handler.uses(document, body) == 1, "used");
        }
    }
}
