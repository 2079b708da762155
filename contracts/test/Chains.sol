// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ConsortiumRegistry} from "../src/eu/ConsortiumRegistry.sol";
import {FrameworkRegistry} from "../src/eu/FrameworkRegistry.sol";
import {IConsortiumRegistry} from "../src/eu/IConsortiumRegistry.sol";
import {AccreditationRegistry} from "../src/national/AccreditationRegistry.sol";
import {ArtifactRegistry} from "../src/national/ArtifactRegistry.sol";
import {CertificateRegistry} from "../src/national/CertificateRegistry.sol";
import {IAccreditationRegistry} from "../src/national/IAccreditationRegistry.sol";
import {ArtifactId, Version, VersionId, VulnerabilityId} from "../src/national/IArtifactRegistry.sol";
import {ICertificateRegistry} from "../src/national/ICertificateRegistry.sol";
import {IPartyRegistry} from "../src/national/IPartyRegistry.sol";
import {IVulnerabilityRegistry} from "../src/national/IVulnerabilityRegistry.sol";
import {Mirror} from "../src/national/Mirror.sol";
import {PartyRegistry} from "../src/national/PartyRegistry.sol";
import {SchemeRegistry} from "../src/national/SchemeRegistry.sol";
import {VulnerabilityRegistry} from "../src/national/VulnerabilityRegistry.sol";
import {Country, NewParty, PartyId, PartyKind} from "../src/registry/IRules.sol";
import {SchemeId, Terms} from "../src/registry/Schemes.sol";
import {vm} from "./Vm.sol";

// Parties by their numbers: TEST KEYS, which nobody has.
uint256 constant NCCA = 1;
uint256 constant NAB = 2;
uint256 constant COORDINATOR = 3;
uint256 constant CAB = 4;
uint256 constant HIGH_CAB = 5;
uint256 constant ITSEF = 6;
uint256 constant OWN_BODY = 7;
uint256 constant PUBLIC_BODY = 8;
uint256 constant MAKER = 9;
uint256 constant OTHER_MAKER = 10;
uint256 constant HOLDER = 11;
uint256 constant PROVIDER = 12;
uint256 constant STRANGER = 99;

address constant INBOX = address(0x1b);
bytes32 constant SALT = bytes32(uint256(0x5a17));
Country constant FR = Country.wrap("FR");
uint64 constant START = 1_800_000_000;
uint64 constant YEAR = 365 days;

function keyOf(uint256 n) pure returns (address) {
    return address(uint160(0xe000 + n));
}

function idOf(uint256 n) pure returns (PartyId) {
    return PartyId.wrap(bytes32(n));
}

function partyOf(uint256 n, PartyKind kind) pure returns (NewParty memory) {
    return NewParty(idOf(n), kind, FR, keyOf(n), "act");
}

function termsOf(bytes32 scope) pure returns (Terms memory t) {
    (t.document, t.scope, t.adopted, t.levels) = ("document", scope, START, 7);
    (t.maxValidity, t.maxAccreditation) = (2 * YEAR, 5 * YEAR);
    (t.maxSuspension, t.maxSuspended) = (42 days, 100 days);
    (t.allowsDeclaration, t.allowsProfiles) = (true, true);
    t.van = [0, 2, 5];
}

/// @dev Three states and the Commission; two thirds of them agree.
contract UnionChain {
    ConsortiumRegistry public immutable CONSORTIUM;
    FrameworkRegistry public immutable FRAMEWORK;

    constructor() {
        vm.warp(START);
        NewParty[] memory members = new NewParty[](4);
        members[0] = NewParty(idOf(1), PartyKind.Commission, Country.wrap("EU"), keyOf(1), "act");
        members[1] = partyOf(2, PartyKind.State);
        members[2] = NewParty(idOf(3), PartyKind.State, Country.wrap("DE"), keyOf(3), "act");
        members[3] = NewParty(idOf(4), PartyKind.State, Country.wrap("IT"), keyOf(4), "act");
        IConsortiumRegistry.ChainSet[] memory chains = new IConsortiumRegistry.ChainSet[](1);
        bytes32[] memory validators = new bytes32[](3);
        (validators[0], validators[1], validators[2]) = ("a", "b", "c");
        chains[0] = IConsortiumRegistry.ChainSet("FR", validators, new bytes32[](0), 2);
        CONSORTIUM = new ConsortiumRegistry(members, 2, 3, 30 days, chains);
        FRAMEWORK = new FrameworkRegistry(CONSORTIUM);
    }
}

/// @dev A national chain with its authorities and whom they register.
abstract contract NationalChain {
    PartyRegistry public immutable PARTIES;

    constructor(IPartyRegistry.ChainKind kind) {
        vm.warp(START);
        NewParty[] memory authorities = new NewParty[](3);
        authorities[0] = partyOf(NCCA, PartyKind.Ncca);
        authorities[1] = partyOf(NAB, PartyKind.Nab);
        authorities[2] = partyOf(COORDINATOR, PartyKind.Coordinator);
        PARTIES = new PartyRegistry(kind, FR, authorities, INBOX);
        _register(NCCA, MAKER, PartyKind.Manufacturer);
        _register(NCCA, OTHER_MAKER, PartyKind.Manufacturer);
        _register(NCCA, HOLDER, PartyKind.Holder);
        _register(COORDINATOR, PROVIDER, PartyKind.Provider);
    }

    function _register(uint256 by, uint256 n, PartyKind kind) internal {
        vm.prank(keyOf(by));
        PARTIES.registerParty(partyOf(n, kind));
    }
}

contract ArtifactChain is NationalChain {
    Mirror public immutable MIRROR;
    ArtifactRegistry public immutable ARTIFACTS;

    constructor() NationalChain(IPartyRegistry.ChainKind.Artifact) {
        MIRROR = new Mirror(PARTIES);
        ARTIFACTS = new ArtifactRegistry(PARTIES, MIRROR);
    }
}

contract VulnerabilityChain is NationalChain {
    VulnerabilityRegistry public immutable CASES;

    constructor() NationalChain(IPartyRegistry.ChainKind.Vulnerability) {
        CASES =
            new VulnerabilityRegistry(PARTIES, IVulnerabilityRegistry.Policy(90 days, 180 days, 7 days, 1000, 1 days));
    }

    function commit(bool isArtifact, bytes32 content) external view returns (bytes32) {
        return CASES.commitTo(isArtifact, SALT, content);
    }
}

/// @dev Two CABs, one of them authorised; an ITSEF; the NCCA's body; a public body. A scheme as EUCC is, and one for public bodies alone.
contract CertificationChain is NationalChain {
    SchemeId public constant UNION = SchemeId.wrap("union");
    SchemeId public constant PUBLIC = SchemeId.wrap("public");
    bytes32 public constant CATEGORY = "category";
    VersionId public constant VERSION = VersionId.wrap("version");
    VersionId public constant BARE = VersionId.wrap("bare");

    SchemeRegistry public immutable SCHEMES;
    AccreditationRegistry public immutable BODIES;
    Mirror public immutable MIRROR;
    CertificateRegistry public immutable CERTIFICATES;

    constructor() NationalChain(IPartyRegistry.ChainKind.Certification) {
        SCHEMES = new SchemeRegistry(PARTIES);
        BODIES = new AccreditationRegistry(PARTIES, SCHEMES);
        MIRROR = new Mirror(PARTIES);
        CERTIFICATES = new CertificateRegistry(PARTIES, SCHEMES, BODIES, MIRROR);
        _register(NAB, CAB, PartyKind.Cab);
        _register(NAB, HIGH_CAB, PartyKind.Cab);
        _register(NAB, ITSEF, PartyKind.Itsef);
        _register(NAB, PUBLIC_BODY, PartyKind.PublicBody);
        _register(NCCA, OWN_BODY, PartyKind.CertificationBody);
        Terms memory forAll = termsOf("scope");
        Terms memory forPublic = termsOf("another scope");
        forPublic.isPublicOnly = true;
        vm.startPrank(keyOf(NCCA));
        SCHEMES.attestScheme(UNION, 1, forAll);
        SCHEMES.attestScheme(PUBLIC, 1, forPublic);
        MIRROR.attestVersion(VERSION, version(true));
        MIRROR.attestVersion(BARE, version(false));
        vm.stopPrank();
        vm.startPrank(keyOf(NAB));
        for (uint256 n = CAB; n <= PUBLIC_BODY; n++) {
            BODIES.accredit(idOf(n), scope(4 * YEAR));
        }
        vm.stopPrank();
        vm.startPrank(keyOf(NCCA));
        BODIES.authorise(idOf(HIGH_CAB), scope(3 * YEAR), 5);
        BODIES.authorise(idOf(ITSEF), scope(3 * YEAR), 5);
        BODIES.notifyBody(idOf(CAB), 1234, false);
        BODIES.notifyBody(idOf(HIGH_CAB), 1235, true);
        BODIES.notifyBody(idOf(PUBLIC_BODY), 1236, false);
        vm.stopPrank();
    }

    function scope(uint64 length) public view returns (IAccreditationRegistry.Scope memory s) {
        s.schemes = new SchemeId[](2);
        (s.schemes[0], s.schemes[1]) = (UNION, PUBLIC);
        s.categories = new bytes32[](1);
        s.categories[0] = CATEGORY;
        s.until = uint64(block.timestamp) + length;
    }

    function version(bool hasSupport) public pure returns (Version memory v) {
        (v.artifact, v.manufacturer, v.firmware) = (ArtifactId.wrap("artifact"), idOf(MAKER), "firmware");
        (v.fixes, v.hasSupport) = (new VulnerabilityId[](0), hasSupport);
    }

    /// @dev What a body issues, if it may.
    function input(uint8 level, bytes32 document) public view returns (ICertificateRegistry.NewCertificate memory c) {
        (c.scheme, c.level, c.holder) = (UNION, level, idOf(HOLDER));
        c.versions = new VersionId[](1);
        c.versions[0] = VERSION;
        c.categories = new bytes32[](1);
        c.categories[0] = CATEGORY;
        c.components = new bytes32[](1);
        c.components[0] = "component";
        (c.document, c.report) = (document, "report");
        if (level == 4) c.itsef = idOf(ITSEF);
        (c.since, c.until) = (uint64(block.timestamp), uint64(block.timestamp) + YEAR);
        c.due = new uint64[](1);
        c.due[0] = c.since + 180 days;
    }
}
