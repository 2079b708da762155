// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccreditationRegistry} from "../src/national/AccreditationRegistry.sol";
import {ArtifactRegistry} from "../src/national/ArtifactRegistry.sol";
import {IAccreditationRegistry} from "../src/national/IAccreditationRegistry.sol";
import {
    ArtifactId,
    IArtifactRegistry,
    Version,
    VersionId,
    VulnerabilityId
} from "../src/national/IArtifactRegistry.sol";
import {IMirror} from "../src/national/IMirror.sol";
import {ISchemeRegistry} from "../src/national/ISchemeRegistry.sol";
import {IVulnerabilityRegistry} from "../src/national/IVulnerabilityRegistry.sol";
import {Mirror} from "../src/national/Mirror.sol";
import {PartyRegistry} from "../src/national/PartyRegistry.sol";
import {SchemeRegistry} from "../src/national/SchemeRegistry.sol";
import {VulnerabilityRegistry} from "../src/national/VulnerabilityRegistry.sol";
import {IRules, PartyId, PartyKind, Provenance} from "../src/registry/IRules.sol";
import {SchemeId, Schemes, Terms} from "../src/registry/Schemes.sol";
import {
    ArtifactChain,
    CAB,
    COORDINATOR,
    CertificationChain,
    FR,
    HIGH_CAB,
    INBOX,
    ITSEF,
    MAKER,
    NAB,
    NCCA,
    OTHER_MAKER,
    PROVIDER,
    SALT,
    START,
    STRANGER,
    VulnerabilityChain,
    YEAR,
    idOf,
    keyOf,
    partyOf,
    termsOf
} from "./Chains.sol";
import {vm} from "./Vm.sol";

/// @dev Rows 4 and 6 to 13: who is who on a certification chain, and what comes from other chains.
contract CertificationChainTest {
    CertificationChain private immutable CHAIN = new CertificationChain();
    PartyRegistry private immutable PARTIES = CHAIN.PARTIES();
    SchemeRegistry private immutable SCHEMES = CHAIN.SCHEMES();
    AccreditationRegistry private immutable BODIES = CHAIN.BODIES();
    Mirror private immutable MIRROR = CHAIN.MIRROR();

    function test_registerParty_eachAuthorityItsOwn_rows6and13() public {
        vm.prank(keyOf(NAB));
        vm.expectRevert(abi.encodeWithSelector(IRules.WrongRole.selector, 6, PartyKind.CertificationBody));
        PARTIES.registerParty(partyOf(50, PartyKind.CertificationBody));
        vm.startPrank(keyOf(NCCA));
        PARTIES.registerParty(partyOf(50, PartyKind.CertificationBody));
        vm.expectRevert(abi.encodeWithSelector(IRules.WrongRole.selector, 13, PartyKind.Cab));
        PARTIES.registerParty(partyOf(51, PartyKind.Cab));
    }

    function test_keys_areOfOnePartyForEver_row13() public {
        vm.prank(keyOf(MAKER));
        PARTIES.addKey(keyOf(60));
        vm.prank(keyOf(OTHER_MAKER));
        vm.expectPartialRevert(IRules.NotYours.selector);
        PARTIES.revokeKey(keyOf(60));
        vm.prank(keyOf(NCCA));
        PARTIES.replaceKey(keyOf(60), keyOf(61), "act");
        vm.prank(keyOf(60));
        vm.expectRevert(abi.encodeWithSelector(IRules.RevokedKey.selector, 13, keyOf(60)));
        PARTIES.addKey(keyOf(62));
        vm.prank(keyOf(61));
        vm.expectRevert(abi.encodeWithSelector(IRules.KeyTaken.selector, 13, keyOf(60)));
        PARTIES.addKey(keyOf(60));
    }

    function test_nationalScheme_whereNoneOfTheUnionIs_row4() public {
        ISchemeRegistry.Mapping[] memory mappings = new ISchemeRegistry.Mapping[](1);
        mappings[0] = ISchemeRegistry.Mapping(2, CHAIN.UNION(), 4);
        Terms memory terms = termsOf("scope");
        vm.startPrank(keyOf(NCCA));
        vm.expectRevert(abi.encodeWithSelector(Schemes.Covered.selector, 4, bytes32("scope")));
        SCHEMES.registerNationalScheme(SchemeId.wrap("own"), terms, mappings);
        terms.scope = "its own scope";
        SCHEMES.registerNationalScheme(SchemeId.wrap("own"), terms, mappings);
        vm.assertEq(SCHEMES.mappingOf(SchemeId.wrap("own"), 1).length, 1);
    }

    function test_accreditation_isChangedByWhoGaveIt_rows6and7() public {
        IAccreditationRegistry.Scope memory scope = CHAIN.scope(6 * YEAR);
        vm.prank(keyOf(NAB));
        vm.expectPartialRevert(IRules.OutOfBounds.selector);
        BODIES.accredit(idOf(CAB), scope);
        vm.prank(keyOf(NCCA));
        vm.expectPartialRevert(IRules.WrongRole.selector);
        BODIES.changeAccreditation(idOf(CAB), IAccreditationRegistry.Restriction.Suspend, scope, "reason");
        vm.startPrank(keyOf(NAB));
        BODIES.changeAccreditation(idOf(CAB), IAccreditationRegistry.Restriction.Suspend, scope, "reason");
        vm.expectPartialRevert(IRules.WrongState.selector);
        BODIES.changeAccreditation(idOf(CAB), IAccreditationRegistry.Restriction.Suspend, scope, "reason");
        vm.stopPrank();
        vm.startPrank(keyOf(NCCA));
        vm.expectRevert(abi.encodeWithSelector(IRules.NotAccredited.selector, 10, idOf(CAB)));
        BODIES.notifyBody(idOf(CAB), 1, false);
    }

    /// It ends no later than what it rests on.
    function test_fuzz_authorisationAndDelegation_rows8to11(uint32 authorised, uint32 delegated) public {
        IAccreditationRegistry.Scope memory scope = CHAIN.scope(0);
        scope.until = START + 1 + authorised;
        vm.startPrank(keyOf(NCCA));
        bool isLonger = scope.until > START + 4 * YEAR;
        if (isLonger) vm.expectPartialRevert(IRules.OutOfBounds.selector);
        BODIES.authorise(idOf(HIGH_CAB), scope, 5);
        if (isLonger) return;
        uint64 until = START + 1 + delegated;
        if (until > scope.until) vm.expectPartialRevert(IRules.OutOfBounds.selector);
        BODIES.delegateHigh(idOf(HIGH_CAB), until);
        vm.expectPartialRevert(IRules.NotAuthorised.selector);
        BODIES.delegateHigh(idOf(CAB), until);
    }

    function test_restrictedAuthorisation_ends_row9() public {
        vm.startPrank(keyOf(NCCA));
        BODIES.changeAuthorisation(idOf(ITSEF), IAccreditationRegistry.Restriction.End, CHAIN.scope(0), "reason");
        vm.expectPartialRevert(IRules.NotAuthorised.selector);
        BODIES.notifyBody(idOf(ITSEF), 1, true);
    }

    function test_approve_once_row12() public {
        vm.startPrank(keyOf(NCCA));
        BODIES.approve(idOf(CAB), "commitment", START + 1, true);
        vm.expectPartialRevert(IRules.Exists.selector);
        BODIES.approve(idOf(CAB), "commitment", START + 2, true);
    }

    function test_facts_provenAreNotTakenBackOnAWord() public {
        VersionId id = CHAIN.VERSION();
        Version memory version = CHAIN.version(true);
        vm.prank(INBOX);
        MIRROR.attestVersion(id, version);
        vm.prank(keyOf(NCCA));
        vm.expectPartialRevert(IRules.NotYours.selector);
        MIRROR.attestVersion(id, version);
        (, Provenance from) = MIRROR.versionOf(id);
        vm.assertTrue(from == Provenance.Proven);
        vm.prank(keyOf(STRANGER));
        vm.expectRevert(abi.encodeWithSelector(IRules.UnknownKey.selector, 0, keyOf(STRANGER)));
        MIRROR.attestVersion(id, version);
        vm.prank(INBOX);
        vm.expectRevert(abi.encodeWithSelector(IRules.WrongChain.selector, 0));
        MIRROR.attestCase(VulnerabilityId.wrap("v"), IMirror.Case(idOf(1), idOf(2), 0));
        vm.prank(keyOf(NCCA));
        vm.expectPartialRevert(IRules.NotYours.selector);
        PARTIES.attestParty(idOf(MAKER), PartyKind.Manufacturer, FR, "act", false, new address[](0));
    }
}

/// @dev Rows 14 to 16.
contract ArtifactRegistryTest {
    ArtifactChain private immutable CHAIN = new ArtifactChain();
    ArtifactRegistry private immutable ARTIFACTS = CHAIN.ARTIFACTS();
    ArtifactId private constant ARTIFACT = ArtifactId.wrap("artifact");
    VersionId private constant VERSION = VersionId.wrap("version");
    VulnerabilityId private constant VULNERABILITY = VulnerabilityId.wrap("vulnerability");
    VulnerabilityId[] private none;

    function setUp() public {
        vm.prank(keyOf(MAKER));
        ARTIFACTS.registerArtifact(ARTIFACT, "description");
    }

    function test_versions_areTheirManufacturers_rows14and15() public {
        vm.prank(keyOf(OTHER_MAKER));
        vm.expectRevert(abi.encodeWithSelector(IRules.NotYours.selector, 14, ARTIFACT));
        ARTIFACTS.registerVersion(ARTIFACT, VERSION, "firmware", 0, 0, VersionId.wrap(0), none);
        vm.startPrank(keyOf(MAKER));
        vm.expectPartialRevert(IRules.Missing.selector);
        ARTIFACTS.setSupport(ARTIFACT, IArtifactRegistry.Support("guidance", START + 1, 0, "repository"));
        ARTIFACTS.setSupport(ARTIFACT, IArtifactRegistry.Support("guidance", START + 1, "contact", "repository"));
        ARTIFACTS.registerVersion(ARTIFACT, VERSION, "firmware", 0, 0, VersionId.wrap(0), none);
        vm.expectPartialRevert(IRules.Exists.selector);
        ARTIFACTS.registerVersion(ARTIFACT, VERSION, "other", 0, 0, VersionId.wrap(0), none);
        vm.assertTrue(ARTIFACTS.versionOf(VERSION).hasSupport);
    }

    function test_label_noneWhileTheCaseIsSealed_row16() public {
        vm.prank(keyOf(MAKER));
        ARTIFACTS.registerVersion(ARTIFACT, VERSION, "firmware", 0, 0, VersionId.wrap(0), none);
        Mirror mirror = CHAIN.MIRROR();
        vm.prank(keyOf(NCCA));
        mirror.attestCase(VULNERABILITY, IMirror.Case(idOf(PROVIDER), idOf(COORDINATOR), 0));
        vm.prank(keyOf(PROVIDER));
        vm.expectPartialRevert(IArtifactRegistry.Sealed.selector);
        ARTIFACTS.label(VERSION, VULNERABILITY, IArtifactRegistry.LabelStatus.Affected, 0);
        vm.prank(INBOX);
        mirror.attestCase(VULNERABILITY, IMirror.Case(idOf(PROVIDER), idOf(COORDINATOR), START));
        vm.prank(keyOf(PROVIDER));
        ARTIFACTS.label(VERSION, VULNERABILITY, IArtifactRegistry.LabelStatus.Affected, 0);
        vm.prank(keyOf(MAKER));
        ARTIFACTS.label(VERSION, VULNERABILITY, IArtifactRegistry.LabelStatus.NotAffected, "why");
        vm.assertEq(ARTIFACTS.labelsOf(VERSION, VULNERABILITY, idOf(PROVIDER)).length, 1);
    }
}

/// @dev Rows 31 to 35.
contract VulnerabilityRegistryTest {
    VulnerabilityChain private immutable CHAIN = new VulnerabilityChain();
    VulnerabilityRegistry private immutable CASES = CHAIN.CASES();
    VulnerabilityId private constant ID = VulnerabilityId.wrap("case");

    function setUp() public {
        bytes32 commitment = CHAIN.commit(false, "report");
        bytes32 artifact = CHAIN.commit(true, "version");
        vm.prank(keyOf(MAKER));
        vm.expectPartialRevert(IRules.WrongRole.selector);
        CASES.announce(ID, commitment, artifact, true, idOf(COORDINATOR), START + 30 days);
        vm.prank(keyOf(PROVIDER));
        CASES.announce(ID, commitment, artifact, true, idOf(COORDINATOR), START + 30 days);
        vm.prank(keyOf(COORDINATOR));
        CASES.invite(ID, idOf(MAKER));
    }

    function test_fuzz_disclose_notBeforeTheEmbargoEnds_rows31to34(uint32 time) public {
        vm.prank(keyOf(COORDINATOR));
        CASES.acceptEmbargo(ID);
        vm.prank(keyOf(MAKER));
        CASES.acceptEmbargo(ID);
        vm.warp(uint256(START) + time);
        vm.startPrank(keyOf(PROVIDER));
        if (time < 30 days) {
            vm.expectRevert(abi.encodeWithSelector(IVulnerabilityRegistry.Embargoed.selector, 34, START + 30 days));
        }
        CASES.disclose(ID, SALT, "report", SALT, "version");
        vm.expectPartialRevert(time < 30 days ? IRules.Mismatch.selector : IRules.Exists.selector);
        CASES.disclose(ID, SALT, "another report", SALT, "version");
    }

    /// A manufacturer that does not answer can't keep a case closed.
    function test_fuzz_disclose_whatWasNeverAccepted_row34(uint32 time) public {
        vm.warp(uint256(START) + time);
        if (time < 7 days) vm.expectPartialRevert(IVulnerabilityRegistry.Embargoed.selector);
        vm.prank(keyOf(PROVIDER));
        CASES.disclose(ID, SALT, "report", SALT, "version");
    }

    function test_advance_isOneWay_row33() public {
        vm.startPrank(keyOf(MAKER));
        vm.expectPartialRevert(IRules.WrongState.selector);
        CASES.advance(ID, IVulnerabilityRegistry.Bit.FixDeployed, "evidence", idOf(MAKER));
        CASES.advance(ID, IVulnerabilityRegistry.Bit.VendorAware, "evidence", idOf(MAKER));
        CASES.advance(ID, IVulnerabilityRegistry.Bit.FixReady, "evidence", idOf(MAKER));
        vm.expectPartialRevert(IRules.WrongState.selector);
        CASES.advance(ID, IVulnerabilityRegistry.Bit.FixReady, "evidence", idOf(MAKER));
        CASES.advance(ID, IVulnerabilityRegistry.Bit.Exploit, "evidence", PartyId.wrap(0));
        vm.assertTrue(CASES.caseOf(ID).isPublic, "X brings P");
        vm.assertEq(CASES.embargoedUntil(ID), 0);
    }

    function test_close_takesTwoOrTheCoordinator_row35() public {
        IVulnerabilityRegistry.Ending invalid = IVulnerabilityRegistry.Ending.Invalid;
        vm.prank(keyOf(PROVIDER));
        CASES.close(ID, invalid, "reason");
        vm.prank(keyOf(MAKER));
        CASES.close(ID, IVulnerabilityRegistry.Ending.Duplicate, "reason");
        vm.assertTrue(CASES.caseOf(ID).closed == IVulnerabilityRegistry.Ending.Open, "two who say different things");
        vm.prank(keyOf(MAKER));
        CASES.close(ID, invalid, "reason");
        vm.assertTrue(CASES.caseOf(ID).closed == invalid);
        vm.prank(keyOf(MAKER));
        vm.expectPartialRevert(IRules.NotYours.selector);
        CASES.reopen(ID, "reason");
    }
}
