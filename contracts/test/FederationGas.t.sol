// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ArtifactRegistry} from "../src/national/ArtifactRegistry.sol";
import {CertificateRegistry} from "../src/national/CertificateRegistry.sol";
import {ArtifactId, IArtifactRegistry, VersionId, VulnerabilityId} from "../src/national/IArtifactRegistry.sol";
import {CertificateId, ICertificateRegistry} from "../src/national/ICertificateRegistry.sol";
import {VulnerabilityRegistry} from "../src/national/VulnerabilityRegistry.sol";
import {
    ArtifactChain,
    CAB,
    COORDINATOR,
    CertificationChain,
    HOLDER,
    MAKER,
    NCCA,
    OWN_BODY,
    PROVIDER,
    START,
    VulnerabilityChain,
    idOf,
    keyOf
} from "./Chains.sol";
import {vm} from "./Vm.sol";

/// @dev What the calls cost that a federation makes every day: `forge snapshot --match-contract GasTest` writes these.
contract FederationGasTest {
    CertificateId private constant ID = CertificateId.wrap("certificate");
    CertificateRegistry private certificates;
    ArtifactRegistry private artifacts;
    VulnerabilityRegistry private cases;
    ICertificateRegistry.NewCertificate private _substantial;
    ICertificateRegistry.NewCertificate private _high;
    ICertificateRegistry.Legacy private _legacy;

    function setUp() public {
        CertificationChain certification = new CertificationChain();
        certificates = certification.CERTIFICATES();
        _substantial = certification.input(2, "substantial");
        _high = certification.input(4, "high");
        (_legacy.scheme, _legacy.holder, _legacy.document) = (certification.UNION(), idOf(HOLDER), "document");
        (_legacy.since, _legacy.until) = (START - 1, START + 1);
        ICertificateRegistry.NewCertificate memory first = certification.input(2, "first");
        vm.prank(keyOf(CAB));
        certificates.issue(ID, first);
        artifacts = new ArtifactChain().ARTIFACTS();
        vm.prank(keyOf(MAKER));
        artifacts.registerArtifact(ArtifactId.wrap("artifact"), "description");
        vm.prank(keyOf(MAKER));
        artifacts.registerVersion(
            ArtifactId.wrap("artifact"), VersionId.wrap("one"), "one", 0, 0, VersionId.wrap(0), new VulnerabilityId[](0)
        );
        cases = new VulnerabilityChain().CASES();
    }

    function test_gas_issue_substantial() public {
        vm.prank(keyOf(CAB));
        certificates.issue(CertificateId.wrap("other"), _substantial);
    }

    function test_gas_issue_high() public {
        vm.prank(keyOf(OWN_BODY));
        certificates.issue(CertificateId.wrap("other"), _high);
    }

    function test_gas_importLegacy() public {
        vm.prank(keyOf(NCCA));
        certificates.importLegacy(CertificateId.wrap("other"), _legacy);
    }

    function test_gas_suspend() public {
        vm.prank(keyOf(CAB));
        certificates.suspend(ID, START + 1 days, "reason", "actions");
    }

    function test_gas_registerVersion() public {
        vm.prank(keyOf(MAKER));
        artifacts.registerVersion(
            ArtifactId.wrap("artifact"),
            VersionId.wrap("two"),
            "two",
            "s",
            "m",
            VersionId.wrap(0),
            new VulnerabilityId[](0)
        );
    }

    function test_gas_label() public {
        vm.prank(keyOf(MAKER));
        artifacts.label(
            VersionId.wrap("one"), VulnerabilityId.wrap("v"), IArtifactRegistry.LabelStatus.NotAffected, "why"
        );
    }

    function test_gas_announce() public {
        vm.prank(keyOf(PROVIDER));
        cases.announce(VulnerabilityId.wrap("v"), "commitment", "artifact", true, idOf(COORDINATOR), START + 30 days);
    }
}
