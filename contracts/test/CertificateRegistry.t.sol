// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccreditationRegistry} from "../src/national/AccreditationRegistry.sol";
import {CertificateRegistry} from "../src/national/CertificateRegistry.sol";
import {VersionId, VulnerabilityId} from "../src/national/IArtifactRegistry.sol";
import {CertificateId, ICertificateRegistry} from "../src/national/ICertificateRegistry.sol";
import {IRules, PartyId} from "../src/registry/IRules.sol";
import {
    CAB,
    CertificationChain,
    HIGH_CAB,
    HOLDER,
    INBOX,
    MAKER,
    NAB,
    NCCA,
    OWN_BODY,
    PUBLIC_BODY,
    START,
    YEAR,
    idOf,
    keyOf
} from "./Chains.sol";
import {vm} from "./Vm.sol";

/// @dev Rows 17 to 30: what is issued, by whom, and what becomes of it.
contract CertificateRegistryTest {
    CertificateId private constant ID = CertificateId.wrap("certificate");
    CertificateId private constant NEXT = CertificateId.wrap("next");

    CertificationChain private immutable CHAIN = new CertificationChain();
    CertificateRegistry private immutable CERTIFICATES = CHAIN.CERTIFICATES();
    AccreditationRegistry private immutable BODIES = CHAIN.BODIES();

    // 17 to 23: issued

    function test_importLegacy_marksIt_row17() public {
        ICertificateRegistry.Legacy memory legacy;
        (legacy.scheme, legacy.holder, legacy.document, legacy.since) =
        (CHAIN.UNION(), idOf(HOLDER), "document", START - YEAR);
        vm.prank(keyOf(NAB));
        vm.expectPartialRevert(IRules.WrongRole.selector);
        CERTIFICATES.importLegacy(ID, legacy);
        vm.prank(keyOf(NCCA));
        CERTIFICATES.importLegacy(ID, legacy);
        vm.assertTrue(CERTIFICATES.certificateOf(ID).isImported);
        _assertState(ICertificateRegistry.State.Undetermined);
    }

    function test_issue_basicAndSubstantial_row18() public {
        _issue(CAB, 1, "basic");
        _assertState(ICertificateRegistry.State.InForce);
        vm.assertEq(PartyId.unwrap(CERTIFICATES.certificateOf(ID).ncca), bytes32(0));
        _refuse(OWN_BODY, 2, abi.encodeWithSelector(IRules.Exists.selector, 18, ID));
        ICertificateRegistry.NewCertificate memory input = CHAIN.input(2, "other");
        VersionId bare = CHAIN.BARE();
        input.versions[0] = bare;
        vm.prank(keyOf(CAB));
        vm.expectRevert(abi.encodeWithSelector(ICertificateRegistry.NoSupport.selector, 18, bare));
        CERTIFICATES.issue(NEXT, input);
    }

    function test_issue_onlyPublicBodies_row19() public {
        ICertificateRegistry.NewCertificate memory input = CHAIN.input(2, "document");
        input.scheme = CHAIN.PUBLIC();
        vm.prank(keyOf(CAB));
        vm.expectPartialRevert(IRules.WrongRole.selector);
        CERTIFICATES.issue(ID, input);
        vm.prank(keyOf(PUBLIC_BODY));
        CERTIFICATES.issue(ID, input);
    }

    function test_issue_high_row20() public {
        _refuse(NCCA, 4, abi.encodeWithSelector(IRules.WrongRole.selector, 20, 4));
        _refuse(PUBLIC_BODY, 4, abi.encodeWithSelector(IRules.WrongRole.selector, 20, 8));
        _refuse(CAB, 4, abi.encodeWithSelector(IRules.NotAuthorised.selector, 20, idOf(CAB)));
        _refuse(HIGH_CAB, 4, abi.encodeWithSelector(IRules.NotDelegated.selector, 20, idOf(HIGH_CAB)));
        _approve(HIGH_CAB, "high", false);
        _issue(HIGH_CAB, 4, "high");
        vm.assertEq(PartyId.unwrap(CERTIFICATES.certificateOf(ID).ncca), bytes32(NCCA));
        vm.assertTrue(CERTIFICATES.isApprovalUsed("high", idOf(HIGH_CAB)));
        ICertificateRegistry.NewCertificate memory again = CHAIN.input(4, "high");
        vm.prank(keyOf(HIGH_CAB));
        vm.expectPartialRevert(IRules.NotDelegated.selector);
        CERTIFICATES.issue(NEXT, again);
    }

    function test_fuzz_issue_notLongerThanTheScheme_row21(uint64 length, bool isApproved, bool mayBeLonger) public {
        length = 181 days + length % (4 * YEAR);
        ICertificateRegistry.NewCertificate memory input = CHAIN.input(2, "long");
        input.until = START + length;
        if (isApproved) _approve(CAB, "long", mayBeLonger);
        bool isLong = length > 2 * YEAR;
        vm.prank(keyOf(CAB));
        if (isLong && !(isApproved && mayBeLonger)) {
            vm.expectRevert(abi.encodeWithSelector(IRules.OutOfBounds.selector, 21, input.until, 2 * YEAR));
        }
        CERTIFICATES.issue(ID, input);
        bool isUsed = isLong && isApproved && mayBeLonger;
        vm.assertEq(CERTIFICATES.isApprovalUsed("long", idOf(CAB)), isUsed, "an approval is used where it is needed");
    }

    function test_certifyProfile_row22() public {
        ICertificateRegistry.NewCertificate memory input = CHAIN.input(2, "profile");
        vm.prank(keyOf(OWN_BODY));
        vm.expectPartialRevert(IRules.OutOfScope.selector);
        CERTIFICATES.certifyProfile(ID, input);
        input.versions = new VersionId[](0);
        vm.prank(keyOf(CAB));
        vm.expectRevert(abi.encodeWithSelector(ICertificateRegistry.NotApproved.selector, 22, idOf(CAB)));
        CERTIFICATES.certifyProfile(ID, input);
        vm.prank(keyOf(OWN_BODY));
        CERTIFICATES.certifyProfile(ID, input);
        vm.assertTrue(CERTIFICATES.certificateOf(ID).kind == ICertificateRegistry.Kind.Profile);
    }

    function test_declare_row23() public {
        ICertificateRegistry.Declaration memory d;
        d.versions = new VersionId[](1);
        d.versions[0] = CHAIN.VERSION();
        (d.scheme, d.document, d.report, d.since, d.until) = (CHAIN.UNION(), "document", "report", START, START + YEAR);
        vm.prank(keyOf(HOLDER));
        vm.expectPartialRevert(IRules.WrongRole.selector);
        CERTIFICATES.declare(ID, d);
        vm.prank(keyOf(MAKER));
        CERTIFICATES.declare(ID, d);
        _assertState(ICertificateRegistry.State.InForce);
    }

    // 24 to 30: what becomes of it

    function test_review_rows24and25() public {
        _issue(CAB, 2, "document");
        vm.prank(keyOf(OWN_BODY));
        vm.expectRevert(abi.encodeWithSelector(IRules.NotYours.selector, 24, ID));
        CERTIFICATES.openReview(ID);
        vm.startPrank(keyOf(CAB));
        CERTIFICATES.openReview(ID);
        _assertState(ICertificateRegistry.State.InForce);
        CERTIFICATES.confirmReview(ID);
        vm.expectPartialRevert(IRules.WrongState.selector);
        CERTIFICATES.confirmReview(ID);
        CERTIFICATES.openReview(ID);
        ICertificateRegistry.NewCertificate memory other = CHAIN.input(1, "next");
        vm.expectPartialRevert(IRules.Mismatch.selector);
        CERTIFICATES.replaceReview(ID, "reason", NEXT, other, true);
        _assertState(ICertificateRegistry.State.InForce);
        CERTIFICATES.replaceReview(ID, "reason", NEXT, other, false);
        _assertState(ICertificateRegistry.State.Withdrawn);
        vm.assertEq(CertificateId.unwrap(CERTIFICATES.certificateOf(ID).successor), CertificateId.unwrap(NEXT));
    }

    function test_maintain_endsNoLater_row26() public {
        _issue(CAB, 2, "document");
        ICertificateRegistry.NewCertificate memory changed = CHAIN.input(2, "changed");
        changed.until++;
        vm.startPrank(keyOf(CAB));
        vm.expectPartialRevert(IRules.OutOfBounds.selector);
        CERTIFICATES.maintain(ID, NEXT, changed);
        changed.until--;
        CERTIFICATES.maintain(ID, NEXT, changed);
        _assertState(ICertificateRegistry.State.InForce);
    }

    function test_suspend_endsByItself_rows27and28() public {
        _issue(CAB, 2, "document");
        vm.startPrank(keyOf(CAB));
        vm.expectPartialRevert(IRules.OutOfBounds.selector);
        CERTIFICATES.suspend(ID, START + 43 days, "reason", "actions");
        CERTIFICATES.suspend(ID, START + 42 days, "reason", "actions");
        _assertState(ICertificateRegistry.State.Suspended);
        vm.expectPartialRevert(IRules.WrongRole.selector);
        CERTIFICATES.extendSuspension(ID, START + 100 days, "reason");
        vm.stopPrank();
        vm.startPrank(keyOf(NCCA));
        vm.expectPartialRevert(IRules.OutOfBounds.selector);
        CERTIFICATES.extendSuspension(ID, START + 101 days, "reason");
        CERTIFICATES.extendSuspension(ID, START + 100 days, "reason");
        vm.warp(START + 100 days);
        _assertState(ICertificateRegistry.State.InForce);
        vm.warp(START + YEAR);
        _assertState(ICertificateRegistry.State.Expired);
    }

    /// What was lifted counts for what was left of it.
    function test_fuzz_suspend_countsWhatItHasHad_row27(uint64 first, uint64 lifted) public {
        first = 1 + first % 42 days;
        lifted = lifted % first;
        _issue(CAB, 2, "document");
        vm.startPrank(keyOf(CAB));
        CERTIFICATES.suspend(ID, START + first, "reason", "actions");
        vm.warp(START + lifted);
        CERTIFICATES.lift(ID);
        vm.assertEq(CERTIFICATES.certificateOf(ID).suspended, lifted);
        _assertState(ICertificateRegistry.State.InForce);
    }

    function test_withdraw_isFinal_row29() public {
        _approve(HIGH_CAB, "high", false);
        _issue(HIGH_CAB, 4, "high");
        vm.prank(keyOf(OWN_BODY));
        vm.expectPartialRevert(IRules.NotYours.selector);
        CERTIFICATES.withdraw(ID, "reason");
        vm.startPrank(keyOf(NCCA));
        CERTIFICATES.withdraw(ID, "reason");
        _assertState(ICertificateRegistry.State.Withdrawn);
        vm.expectPartialRevert(ICertificateRegistry.Withdrawn.selector);
        CERTIFICATES.withdraw(ID, "reason");
    }

    function test_notifyComponent_byInboxOrNcca_row30() public {
        _issue(CAB, 2, "document");
        VulnerabilityId vulnerability = VulnerabilityId.wrap("vulnerability");
        vm.prank(keyOf(CAB));
        vm.expectPartialRevert(IRules.WrongRole.selector);
        CERTIFICATES.notifyComponent(ID, "component", vulnerability);
        vm.prank(INBOX);
        CERTIFICATES.notifyComponent(ID, "component", vulnerability);
        vm.prank(keyOf(NCCA));
        vm.expectPartialRevert(IRules.Exists.selector);
        CERTIFICATES.notifyComponent(ID, "component", vulnerability);
        vm.prank(keyOf(CAB));
        CERTIFICATES.clearNotification(ID, vulnerability);
        vm.assertEq(CERTIFICATES.certificateOf(ID).notified.length, 0);
    }

    function _approve(uint256 body, bytes32 document, bool mayBeLonger) private {
        vm.prank(keyOf(NCCA));
        BODIES.approve(idOf(body), document, START + YEAR, mayBeLonger);
    }

    function _issue(uint256 by, uint8 level, bytes32 document) private {
        ICertificateRegistry.NewCertificate memory input = CHAIN.input(level, document);
        vm.prank(keyOf(by));
        CERTIFICATES.issue(ID, input);
    }

    function _refuse(uint256 by, uint8 level, bytes memory refusal) private {
        ICertificateRegistry.NewCertificate memory input = CHAIN.input(level, "refused");
        vm.prank(keyOf(by));
        vm.expectRevert(refusal);
        CERTIFICATES.issue(ID, input);
    }

    function _assertState(ICertificateRegistry.State wanted) private view {
        vm.assertEq(uint256(CERTIFICATES.stateOf(ID)), uint256(wanted));
    }
}
