// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ConsortiumRegistry} from "../src/eu/ConsortiumRegistry.sol";
import {FrameworkRegistry} from "../src/eu/FrameworkRegistry.sol";
import {IConsortiumRegistry} from "../src/eu/IConsortiumRegistry.sol";
import {Country, NewParty, PartyId, PartyKind} from "../src/registry/IRules.sol";
import {SchemeId, Terms} from "../src/registry/Schemes.sol";
import {FR, START, UnionChain, idOf, keyOf, termsOf} from "./Chains.sol";
import {vm} from "./Vm.sol";

/// @dev Members who propose and vote as they please, others who try, time that passes, schemes that are amended.
contract ConsortiumHandler {
    UnionChain public immutable CHAIN = new UnionChain();
    ConsortiumRegistry private immutable CONSORTIUM = CHAIN.CONSORTIUM();
    FrameworkRegistry private immutable FRAMEWORK = CHAIN.FRAMEWORK();
    bytes32[] public schemeVersions;
    uint256 public made;
    uint256 private entered = 10;

    function proposeMember(uint8 by, bool isSeat, uint8 who, bool isNew) external {
        NewParty memory party =
            NewParty(idOf(entered), isSeat ? PartyKind.Ncca : PartyKind.State, FR, keyOf(entered), "act");
        entered++;
        vm.prank(_member(by));
        if (isSeat) {
            if (isNew) {
                try CONSORTIUM.proposeSeat(party) {} catch {}
            } else {
                try CONSORTIUM.proposeRemoval(idOf(who % entered), "act") {} catch {}
            }
        } else {
            if (isNew) {
                try CONSORTIUM.proposeAdmission(party) {} catch {}
            } else {
                try CONSORTIUM.proposeDismissal(idOf(who % entered), "act") {} catch {}
            }
        }
    }

    function proposeSet(uint8 by, uint8 add, uint8 remove, bool isValidators) external {
        bytes32[] memory added = new bytes32[](add % 3);
        for (uint256 i = 0; i < added.length; i++) {
            added[i] = bytes32(uint256(0xadd0 + add + i));
        }
        bytes32[] memory known = CONSORTIUM.validatorsOf("FR");
        bytes32[] memory removed = new bytes32[](remove % (known.length + 1));
        for (uint256 i = 0; i < removed.length; i++) {
            removed[i] = known[i];
        }
        vm.prank(_member(by));
        if (isValidators) {
            try CONSORTIUM.proposeValidators("FR", added, removed) {} catch {}
        } else {
            try CONSORTIUM.proposeWriters("FR", added, removed) {} catch {}
        }
    }

    /// @dev The first members all agree.
    function agree(uint8 which) external {
        for (uint8 by = 1; by <= 4; by++) {
            vote(by, which);
        }
    }

    function vote(uint8 by, uint8 which) public {
        (,,,, uint256 proposals) = CONSORTIUM.consortium();
        if (proposals == 0) return;
        uint256 number = proposals - which % (proposals > 4 ? 4 : proposals);
        uint256 needed = CONSORTIUM.quorum();
        address voter = _member(by);
        (PartyId voterId,,) = CONSORTIUM.keyOf(voter);
        (,,, bool wasDone, PartyId[] memory before,) = CONSORTIUM.proposal(number);
        uint256 agreed = 1;
        bool isTwice = false;
        for (uint256 i = 0; i < before.length; i++) {
            (,, bool isActive,,,) = CONSORTIUM.partyOf(before[i]);
            if (isActive) agreed++;
            if (PartyId.unwrap(before[i]) == PartyId.unwrap(voterId)) isTwice = true;
        }
        vm.prank(voter);
        try CONSORTIUM.vote(number) {
            (,,, bool isDone,,) = CONSORTIUM.proposal(number);
            vm.assertFalse(wasDone || isTwice);
            vm.assertTrue(isDone == (agreed >= needed), "made by as many as it takes, and by no fewer");
            if (isDone) made++;
        } catch {}
    }

    function amend(uint8 by, uint8 which, uint64 validity) external {
        SchemeId id = SchemeId.wrap(bytes32(uint256(0x5c0 + which % 2)));
        Terms memory terms = termsOf(bytes32(uint256(which % 2)));
        terms.scope = bytes32(uint256(0x50 + which % 2));
        terms.maxValidity = validity;
        vm.prank(keyOf(1 + by % 3));
        try FRAMEWORK.adoptScheme(id, terms) {
            schemeVersions.push(keccak256(abi.encode(id, FRAMEWORK.versionOf(id), terms)));
        } catch {}
    }

    function pass(uint32 time) external {
        vm.warp(block.timestamp + time % 5 days);
    }

    function versions() external view returns (bytes32[] memory) {
        return schemeVersions;
    }

    function partiesEntered() external view returns (uint256) {
        return entered;
    }

    /// @dev Mostly somebody who was there at first.
    function _member(uint8 n) private view returns (address) {
        return keyOf(n % 8 == 0 ? n % entered : 1 + n % 4);
    }
}

contract ConsortiumInvariants {
    ConsortiumHandler private handler;
    ConsortiumRegistry private consortium;
    FrameworkRegistry private framework;

    function setUp() public {
        handler = new ConsortiumHandler();
        (consortium, framework) = (handler.CHAIN().CONSORTIUM(), handler.CHAIN().FRAMEWORK());
    }

    function targetContracts() public view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    function invariant_validatorsAreNeverTooFewNorTwice() public view {
        bytes32[] memory list = consortium.validatorsOf("FR");
        vm.assertTrue(list.length >= consortium.minimumOf("FR"));
        for (uint256 i = 1; i < list.length; i++) {
            for (uint256 j = 0; j < i; j++) {
                vm.assertFalse(list[i] == list[j]);
            }
        }
    }

    function invariant_noVoteIsCountedTwice() public view {
        (,,,, uint256 proposals) = consortium.consortium();
        for (uint256 n = 1; n <= proposals; n++) {
            (,,,, PartyId[] memory votes,) = consortium.proposal(n);
            for (uint256 i = 1; i < votes.length; i++) {
                for (uint256 j = 0; j < i; j++) {
                    vm.assertFalse(PartyId.unwrap(votes[i]) == PartyId.unwrap(votes[j]));
                }
            }
        }
    }

    function invariant_membersAreThoseThatAreActive() public view {
        (uint64 members,,,,) = consortium.consortium();
        uint256 active = 0;
        for (uint256 n = 1; n < handler.partiesEntered(); n++) {
            (PartyKind kind,, bool isActive,,,) = consortium.partyOf(idOf(n));
            bool isMember = kind >= PartyKind.Commission && kind <= PartyKind.State;
            if (isMember && isActive) active++;
        }
        vm.assertEq(members, active);
        vm.assertTrue(members > 0);
    }

    /// An amended scheme is a new version; what certificates were issued under stays (CSA 49(7)).
    function invariant_versionsOfSchemesStay() public view {
        bytes32[] memory known = handler.versions();
        uint32[2] memory counts;
        for (uint256 i = 0; i < known.length; i++) {
            bool isThere = false;
            for (uint256 n = 0; n < 2; n++) {
                SchemeId id = SchemeId.wrap(bytes32(0x5c0 + n));
                for (uint32 version = 1; version <= framework.versionOf(id); version++) {
                    if (known[i] != keccak256(abi.encode(id, version, framework.termsOf(id, version)))) continue;
                    isThere = true;
                    counts[n]++;
                }
            }
            vm.assertTrue(isThere);
        }
        vm.assertEq(counts[0] + counts[1], known.length);
    }
}
