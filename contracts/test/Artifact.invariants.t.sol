// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ArtifactRegistry} from "../src/national/ArtifactRegistry.sol";
import {ArtifactId, IArtifactRegistry, VersionId, VulnerabilityId} from "../src/national/IArtifactRegistry.sol";
import {IMirror} from "../src/national/IMirror.sol";
import {Mirror} from "../src/national/Mirror.sol";
import {Provenance} from "../src/registry/IRules.sol";
import {ArtifactChain, COORDINATOR, INBOX, MAKER, NCCA, OTHER_MAKER, PROVIDER, idOf, keyOf} from "./Chains.sol";
import {vm} from "./Vm.sol";

/// @dev Two manufacturers, a provider and a coordinator who write and try; it remembers all that was ever said.
contract ArtifactHandler {
    struct Said {
        VersionId version;
        VulnerabilityId vulnerability;
        uint256 by;
        uint256 index;
        bytes32 label;
    }

    ArtifactChain public immutable CHAIN = new ArtifactChain();
    ArtifactRegistry private immutable ARTIFACTS = CHAIN.ARTIFACTS();
    Mirror private immutable MIRROR = CHAIN.MIRROR();
    uint256[4] private who = [MAKER, OTHER_MAKER, PROVIDER, COORDINATOR];
    Said[] private _labels;
    mapping(uint256 artifact => bytes32[]) private _supports;
    mapping(uint256 version => bytes32) public versionSaid;

    function register(uint8 by, uint8 artifact, uint8 version, uint8 patched) external {
        vm.prank(keyOf(who[by % 4]));
        try ARTIFACTS.registerArtifact(artifactAt(artifact), "description") {} catch {}
        VersionId id = versionAt(version);
        VersionId patches = patched % 3 == 0 ? VersionId.wrap(0) : versionAt(patched);
        vm.prank(keyOf(who[by % 4]));
        try ARTIFACTS.registerVersion(
            artifactAt(artifact), id, bytes32(uint256(patched) + 1), 0, 0, patches, new VulnerabilityId[](0)
        ) {
            vm.assertEq(versionSaid[version % 4], bytes32(0));
            versionSaid[version % 4] = keccak256(abi.encode(ARTIFACTS.versionOf(id)));
        } catch {}
    }

    function support(uint8 by, uint8 artifact, uint32 time) external {
        IArtifactRegistry.Support memory s =
            IArtifactRegistry.Support("guidance", uint64(block.timestamp) + time, "contact", "repository");
        vm.prank(keyOf(who[by % 4]));
        try ARTIFACTS.setSupport(artifactAt(artifact), s) {
            _supports[artifact % 3].push(keccak256(abi.encode(s)));
        } catch {}
    }

    function label(uint8 by, uint8 version, uint8 vulnerability, uint8 status) external {
        uint256 speaker = who[by % 4];
        (VersionId v, VulnerabilityId w) = (versionAt(version), vulnerabilityAt(vulnerability));
        (IMirror.Case memory c, Provenance from) = MIRROR.caseOf(w);
        bool isKnown = from != Provenance.Own;
        vm.prank(keyOf(speaker));
        try ARTIFACTS.label(v, w, IArtifactRegistry.LabelStatus(status % 5), "why") {
            vm.assertTrue(!isKnown || c.disclosed != 0, "said while the case is sealed");
            IArtifactRegistry.Label[] memory all = ARTIFACTS.labelsOf(v, w, idOf(speaker));
            _labels.push(Said(v, w, speaker, all.length - 1, keccak256(abi.encode(all[all.length - 1]))));
        } catch {}
    }

    function mirror(uint8 vulnerability, bool isDisclosed, bool isProven) external {
        IMirror.Case memory c =
            IMirror.Case(idOf(PROVIDER), idOf(COORDINATOR), isDisclosed ? uint64(block.timestamp) : 0);
        vm.prank(isProven ? INBOX : keyOf(NCCA));
        try MIRROR.attestCase(vulnerabilityAt(vulnerability), c) {} catch {}
    }

    function pass(uint16 time) external {
        vm.warp(block.timestamp + time);
    }

    function labels() external view returns (Said[] memory) {
        return _labels;
    }

    function supportsOf(uint256 artifact) external view returns (bytes32[] memory) {
        return _supports[artifact];
    }

    function artifactAt(uint256 n) public pure returns (ArtifactId) {
        return ArtifactId.wrap(bytes32(0xa0 + n % 3));
    }

    function versionAt(uint256 n) public pure returns (VersionId) {
        return VersionId.wrap(bytes32(0xb0 + n % 4));
    }

    function vulnerabilityAt(uint256 n) public pure returns (VulnerabilityId) {
        return VulnerabilityId.wrap(bytes32(0xd0 + n % 3));
    }
}

contract ArtifactInvariants {
    ArtifactHandler private handler;
    ArtifactRegistry private artifacts;

    function setUp() public {
        handler = new ArtifactHandler();
        artifacts = handler.CHAIN().ARTIFACTS();
    }

    function targetContracts() public view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    function invariant_aVersionNeverChanges() public view {
        for (uint256 n = 0; n < 4; n++) {
            if (handler.versionSaid(n) == 0) continue;
            vm.assertEq(keccak256(abi.encode(artifacts.versionOf(handler.versionAt(n)))), handler.versionSaid(n));
        }
    }

    /// Labels and what was said under Article 55: everything stays where it is, and new things come behind.
    function invariant_historyOnlyGrows() public view {
        ArtifactHandler.Said[] memory labels = handler.labels();
        for (uint256 i = 0; i < labels.length; i++) {
            ArtifactHandler.Said memory s = labels[i];
            IArtifactRegistry.Label[] memory all = artifacts.labelsOf(s.version, s.vulnerability, idOf(s.by));
            vm.assertEq(keccak256(abi.encode(all[s.index])), s.label);
        }
        for (uint256 n = 0; n < 3; n++) {
            bytes32[] memory said = handler.supportsOf(n);
            IArtifactRegistry.Support[] memory all = artifacts.supportOf(handler.artifactAt(n));
            vm.assertEq(all.length, said.length);
            for (uint256 i = 0; i < said.length; i++) {
                vm.assertEq(keccak256(abi.encode(all[i])), said[i]);
            }
        }
    }
}
