// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CheckpointAnchor} from "../src/log/CheckpointAnchor.sol";
import {ICheckpointAnchor} from "../src/log/ICheckpointAnchor.sol";
import {RFC9162} from "../src/log/RFC9162.sol";
import {Tree} from "./Tree.sol";
import {vm} from "./Vm.sol";

contract CheckpointAnchorTest {
    bytes32 private constant ORIGIN = "SHA-256 of an origin";
    bytes32 private constant OTHER_ORIGIN = "SHA-256 of another origin";
    bytes32 private constant SEED = "tree";
    bytes32 private constant OTHER_SEED = "another tree";
    address private constant OWNER = address(0xA11CE);
    address private constant STRANGER = address(0xB0B);

    CheckpointAnchor private immutable ANCHOR = new CheckpointAnchor();
    bytes32[] private none;

    function setUp() public {
        vm.startPrank(OWNER);
    }

    // register

    function test_register_bindsTheCaller() public {
        bytes32 logId = keccak256(abi.encode(OWNER, ORIGIN));
        vm.expectEmit();
        emit ICheckpointAnchor.LogRegistered(logId, OWNER, ORIGIN);
        vm.assertEq(ANCHOR.register(ORIGIN), logId);
        vm.assertEq(ANCHOR.ownerOf(logId), OWNER);
        vm.stopPrank();
        vm.prank(STRANGER);
        bytes32 squatted = ANCHOR.register(ORIGIN);
        vm.assertFalse(squatted == logId);
        vm.assertEq(ANCHOR.ownerOf(logId), OWNER);
    }

    function test_register_againChangesNothing() public {
        bytes32 logId = _registered();
        _anchor(logId, SEED, 0, 5);
        vm.recordLogs();
        vm.assertEq(ANCHOR.register(ORIGIN), logId);
        vm.assertEq(vm.getRecordedLogs().length, 0);
        _assertLatest(logId, SEED, 5);
    }

    function test_latest_ofAnEmptyLog() public {
        _assertLatest(_registered(), SEED, 0);
    }

    function test_latest_revertsWhenUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.UnknownLog.selector, ORIGIN));
        ANCHOR.latest(ORIGIN);
    }

    // anchor

    function test_anchor_first() public {
        bytes32 logId = _registered();
        bytes32 root = Tree.root(SEED, 7);
        vm.expectEmit();
        emit ICheckpointAnchor.CheckpointAnchored(logId, 7, root);
        ANCHOR.anchor(logId, 7, root, none);
        _assertLatest(logId, SEED, 7);
        vm.assertEq(ANCHOR.rootOf(logId, 7), root);
        vm.assertEq(ANCHOR.rootOf(logId, 6), bytes32(0));
    }

    function test_anchor_sameAgainEmitsNothing() public {
        bytes32 logId = _registered();
        ANCHOR.anchor(logId, 0, RFC9162.EMPTY_ROOT, none);
        _anchor(logId, SEED, 0, 3);
        _anchor(logId, SEED, 3, 7);
        vm.recordLogs();
        ANCHOR.anchor(logId, 7, Tree.root(SEED, 7), none);
        _anchor(logId, SEED, 3, 7); // the proof of a call whose answer was lost
        vm.assertEq(vm.getRecordedLogs().length, 0);
        _assertLatest(logId, SEED, 7);
    }

    function test_fuzz_anchor_everyConsistentStep(bytes32 seed, uint8 a, uint8 b, uint8 c) public {
        bytes32 logId = _registered();
        uint64 first = 1 + a % 20;
        uint64 second = first + b % 20;
        uint64 third = second + c % 40;
        _anchor(logId, seed, 0, first);
        _anchor(logId, seed, first, second);
        _anchor(logId, seed, second, third);
        _assertLatest(logId, seed, third);
        vm.assertEq(ANCHOR.rootOf(logId, first), Tree.root(seed, first));
        vm.assertEq(ANCHOR.rootOf(logId, second), Tree.root(seed, second));
    }

    function test_fuzz_anchor_revertsWhenForked(bytes32 seed, bytes32 other, uint8 a, uint8 b) public {
        if (seed == other) return;
        bytes32 logId = _registered();
        uint64 first = 1 + a % 20;
        uint64 second = first + b % 20;
        _anchor(logId, seed, 0, first);
        bytes32 root = Tree.root(other, second);
        bytes32[] memory proof = Tree.consistency(Tree.leaves(other, second), first);
        try ANCHOR.anchor(logId, second, root, proof) {
            vm.assertTrue(false, "a fork was anchored");
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(ICheckpointAnchor.Fork.selector));
        }
        _assertLatest(logId, seed, first);
    }

    /// A property of RFC 9162 trees, not of this contract: proofs of the same shape verify under several sizes. An owner who lies
    /// about the size of an honest root gains no other history, and no proof leads on from there: the log is stuck until it is
    /// succeeded at an honest size.
    function test_anchor_aRootDoesNotBindItsSize() public {
        bytes32 logId = _registered();
        _anchor(logId, SEED, 0, 1);
        ANCHOR.anchor(logId, 4, Tree.root(SEED, 3), Tree.consistency(Tree.leaves(SEED, 3), 1));
        bytes32[] memory list = Tree.leaves(SEED, 5);
        bytes32 root = Tree.root(list);
        bytes32[] memory proof = Tree.consistency(list, 4);
        bytes memory fork = abi.encodeWithSelector(
            ICheckpointAnchor.Fork.selector, logId, uint64(5), root, RFC9162.hashNode(Tree.root(SEED, 3), list[4])
        );
        vm.expectRevert(fork);
        ANCHOR.anchor(logId, 5, root, proof);
        bytes32 next = ANCHOR.register(OTHER_ORIGIN);
        ANCHOR.succeed(logId, 1, next);
        _anchor(next, SEED, 1, 5);
    }

    function test_anchor_revertsWhenForkedAtTheSameSize() public {
        bytes32 logId = _registered();
        _anchor(logId, SEED, 0, 7);
        bytes32 other = Tree.root(OTHER_SEED, 7);
        vm.expectRevert(
            abi.encodeWithSelector(ICheckpointAnchor.Fork.selector, logId, uint64(7), Tree.root(SEED, 7), other)
        );
        ANCHOR.anchor(logId, 7, other, none);
    }

    function test_anchor_revertsWhenTheProofHasAnotherOldRoot() public {
        bytes32 logId = _registered();
        _anchor(logId, SEED, 0, 3);
        bytes32[] memory proof = Tree.consistency(Tree.leaves(OTHER_SEED, 7), 3);
        bytes32 root = Tree.root(OTHER_SEED, 7);
        bytes32 expected = Tree.root(SEED, 3);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICheckpointAnchor.Fork.selector, logId, uint64(3), expected, Tree.root(OTHER_SEED, 3)
            )
        );
        ANCHOR.anchor(logId, 7, root, proof);
    }

    function test_anchor_revertsWhenTheProofHasAnotherNewRoot() public {
        bytes32 logId = _registered();
        _anchor(logId, SEED, 0, 3);
        bytes32[] memory proof = Tree.consistency(Tree.leaves(SEED, 7), 3);
        bytes32 root = Tree.root(OTHER_SEED, 7);
        vm.expectRevert(
            abi.encodeWithSelector(ICheckpointAnchor.Fork.selector, logId, uint64(7), root, Tree.root(SEED, 7))
        );
        ANCHOR.anchor(logId, 7, root, proof);
    }

    function test_anchor_revertsWhenStale() public {
        bytes32 logId = _registered();
        _anchor(logId, SEED, 0, 7);
        bytes32 root = Tree.root(SEED, 6);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.Stale.selector, logId, uint64(7), uint64(6)));
        ANCHOR.anchor(logId, 6, root, none);
    }

    function test_anchor_revertsWhenRolledBack() public {
        bytes32 logId = _registered();
        _anchor(logId, SEED, 0, 5);
        _anchor(logId, SEED, 5, 7);
        // A log that was put back to size 5 and grew another way has no proof from 7.
        bytes32[] memory list = Tree.leaves(SEED, 9);
        for (uint256 i = 5; i < 9; ++i) {
            list[i] = RFC9162.hashLeaf(abi.encode(OTHER_SEED, i));
        }
        bytes32[] memory proof = Tree.consistency(list, 7);
        try ANCHOR.anchor(logId, 9, Tree.root(list), proof) {
            vm.assertTrue(false, "a log that was rolled back was anchored");
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(ICheckpointAnchor.Fork.selector));
        }
        _assertLatest(logId, SEED, 7);
    }

    function test_register_aSquatterGetsAnotherLog() public {
        bytes32 logId = keccak256(abi.encode(OWNER, ORIGIN));
        vm.stopPrank();
        vm.startPrank(STRANGER);
        bytes32 squatted = ANCHOR.register(ORIGIN);
        vm.assertTrue(squatted != logId);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.UnknownLog.selector, logId));
        ANCHOR.anchor(logId, 3, bytes32("root"), none);
        vm.stopPrank();
        vm.startPrank(OWNER);
        vm.assertEq(ANCHOR.register(ORIGIN), logId);
        _anchor(logId, SEED, 0, 3);
    }

    function test_anchor_revertsWhenTheProofIsTooShortOrTooLong() public {
        bytes32 logId = _registered();
        bytes32 first = Tree.root(SEED, 3);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.BadProof.selector, logId, 0, 1));
        ANCHOR.anchor(logId, 3, first, new bytes32[](1));
        _anchor(logId, SEED, 0, 3);
        bytes32 root = Tree.root(SEED, 7);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.BadProof.selector, logId, 4, 0));
        ANCHOR.anchor(logId, 7, root, none);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.BadProof.selector, logId, 4, 5));
        ANCHOR.anchor(logId, 7, root, new bytes32[](5));
    }

    function test_anchor_revertsWhenTheRootIsZero() public {
        bytes32 logId = _registered();
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.ZeroRoot.selector, logId, uint64(3)));
        ANCHOR.anchor(logId, 3, 0, none);
    }

    function test_anchor_revertsWhenNotOwner() public {
        bytes32 logId = _registered();
        bytes32 root = Tree.root(SEED, 3);
        vm.stopPrank();
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.NotOwner.selector, logId, OWNER, STRANGER));
        ANCHOR.anchor(logId, 3, root, none);
    }

    function test_anchor_revertsWhenUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.UnknownLog.selector, ORIGIN));
        ANCHOR.anchor(ORIGIN, 3, bytes32("root"), none);
    }

    function test_rootAt_isAtSlot0() public {
        bytes32 logId = _registered();
        _anchor(logId, SEED, 0, 7);
        bytes32 slot = keccak256(abi.encode(uint256(7), keccak256(abi.encode(logId, uint256(0)))));
        vm.assertEq(vm.load(address(ANCHOR), slot), Tree.root(SEED, 7));
    }

    // verifyInclusion

    function test_fuzz_verifyInclusion(bytes32 seed, uint8 sizeSeed, uint8 indexSeed, uint8 bit) public {
        bytes32 logId = _registered();
        uint64 size = 2 + uint64(sizeSeed) % 60;
        uint64 index = indexSeed % size;
        _anchor(logId, seed, 0, size);
        _anchor(logId, seed, size, size + 9); // under an older root too
        bytes32[] memory list = Tree.leaves(seed, size);
        bytes32[] memory proof = Tree.path(list, index);
        vm.assertTrue(ANCHOR.verifyInclusion(logId, size, index, list[index], proof));
        vm.assertFalse(ANCHOR.verifyInclusion(logId, size + 1, index, list[index], proof));
        vm.assertFalse(ANCHOR.verifyInclusion(logId, size, index ^ 1, list[index], proof));
        vm.assertFalse(ANCHOR.verifyInclusion(logId, size, size, list[index], proof));
        vm.assertFalse(ANCHOR.verifyInclusion(OTHER_ORIGIN, size, index, list[index], proof));
        proof[bit % proof.length] ^= bytes32(uint256(1) << bit);
        vm.assertFalse(ANCHOR.verifyInclusion(logId, size, index, list[index], proof));
    }

    function test_verifyInclusion_neverUnderARootThatIsNotStored() public {
        // A tree of one leaf has its leaf as root: the zero leaf must not match the zero of an empty slot.
        vm.assertFalse(ANCHOR.verifyInclusion(_registered(), 1, 0, 0, none));
    }

    // ownership

    function test_ownership_inTwoSteps() public {
        bytes32 logId = _registered();
        _anchor(logId, SEED, 0, 3);
        vm.expectEmit();
        emit ICheckpointAnchor.OwnershipOffered(logId, OWNER, STRANGER);
        ANCHOR.offerOwnership(logId, STRANGER);
        vm.assertEq(ANCHOR.ownerOf(logId), OWNER);
        vm.assertEq(ANCHOR.offeredTo(logId), STRANGER);
        vm.stopPrank();
        vm.startPrank(STRANGER);
        vm.expectEmit();
        emit ICheckpointAnchor.OwnershipTransferred(logId, OWNER, STRANGER);
        ANCHOR.acceptOwnership(logId);
        vm.assertEq(ANCHOR.ownerOf(logId), STRANGER);
        vm.assertEq(ANCHOR.offeredTo(logId), address(0));
        _anchor(logId, SEED, 3, 8);
        vm.stopPrank();
        vm.startPrank(OWNER);
        vm.assertEq(ANCHOR.register(ORIGIN), logId); // does not bring it back
        bytes32 root = Tree.root(SEED, 9);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.NotOwner.selector, logId, STRANGER, OWNER));
        ANCHOR.anchor(logId, 9, root, none);
    }

    function test_acceptOwnership_revertsWhenNotOffered() public {
        bytes32 logId = _registered();
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.NotOwner.selector, logId, address(0), OWNER));
        ANCHOR.acceptOwnership(logId);
        ANCHOR.offerOwnership(logId, STRANGER);
        ANCHOR.offerOwnership(logId, address(0)); // taken back
        vm.stopPrank();
        vm.startPrank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.NotOwner.selector, logId, address(0), STRANGER));
        ANCHOR.acceptOwnership(logId);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.NotOwner.selector, logId, OWNER, STRANGER));
        ANCHOR.offerOwnership(logId, STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.UnknownLog.selector, OTHER_ORIGIN));
        ANCHOR.acceptOwnership(OTHER_ORIGIN);
    }

    // succeed

    function test_succeed_anEmptySuccessorGoesOnFromThere() public {
        bytes32 logId = _registered();
        bytes32 next = ANCHOR.register(OTHER_ORIGIN);
        _anchor(logId, SEED, 0, 5);
        _anchor(logId, SEED, 5, 9);
        vm.expectEmit();
        emit ICheckpointAnchor.CheckpointAnchored(next, 5, Tree.root(SEED, 5));
        vm.expectEmit();
        emit ICheckpointAnchor.LogSucceeded(logId, 5, next);
        ANCHOR.succeed(logId, 5, next);
        (bytes32 successor, uint64 finalSize) = ANCHOR.successorOf(logId);
        vm.assertEq(successor, next);
        vm.assertEq(finalSize, 5);
        _assertLatest(next, SEED, 5);
        _anchor(next, SEED, 5, 8);
        // What was anchored stays provable, and nothing is added to the closed log, not even the same again.
        vm.assertEq(ANCHOR.rootOf(logId, 9), Tree.root(SEED, 9));
        bytes memory closed = abi.encodeWithSelector(ICheckpointAnchor.Closed.selector, logId, next);
        bytes32 root = Tree.root(SEED, 9);
        vm.expectRevert(closed);
        ANCHOR.anchor(logId, 9, root, none);
        vm.expectRevert(closed);
        ANCHOR.succeed(logId, 9, next);
        vm.expectRevert(closed);
        ANCHOR.offerOwnership(logId, STRANGER);
    }

    function test_succeed_aUsedSuccessorHoldsTheSameRoot() public {
        bytes32 logId = _registered();
        bytes32 next = ANCHOR.register(OTHER_ORIGIN);
        _anchor(logId, SEED, 0, 5);
        _anchor(next, SEED, 0, 5);
        _anchor(next, SEED, 5, 6);
        ANCHOR.succeed(logId, 5, next);
        _assertLatest(next, SEED, 6);
    }

    function test_succeed_revertsWhenTheSuccessorHasAnotherTree() public {
        bytes32 logId = _registered();
        bytes32 next = ANCHOR.register(OTHER_ORIGIN);
        _anchor(logId, SEED, 0, 5);
        _anchor(next, OTHER_SEED, 0, 5);
        bytes32 expected = Tree.root(SEED, 5);
        vm.expectRevert(
            abi.encodeWithSelector(ICheckpointAnchor.Fork.selector, next, uint64(5), expected, Tree.root(OTHER_SEED, 5))
        );
        ANCHOR.succeed(logId, 5, next);
    }

    function test_succeed_atNothingWhenAllIsLost() public {
        bytes32 logId = _registered();
        bytes32 next = ANCHOR.register(OTHER_ORIGIN);
        _anchor(logId, SEED, 0, 5);
        ANCHOR.succeed(logId, 0, next);
        _assertLatest(next, SEED, 0);
        _anchor(next, OTHER_SEED, 0, 2);
    }

    function test_succeed_revertsWhenItCannotBe() public {
        bytes32 logId = _registered();
        bytes32 next = ANCHOR.register(OTHER_ORIGIN);
        _anchor(logId, SEED, 0, 5);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.UnknownSize.selector, logId, uint64(4)));
        ANCHOR.succeed(logId, 4, next);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.OwnSuccessor.selector, logId));
        ANCHOR.succeed(logId, 5, logId);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.UnknownLog.selector, SEED));
        ANCHOR.succeed(logId, 5, SEED);
        vm.stopPrank();
        vm.startPrank(STRANGER);
        bytes32 foreign = ANCHOR.register(ORIGIN);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.NotOwner.selector, logId, OWNER, STRANGER));
        ANCHOR.succeed(logId, 5, foreign);
        vm.stopPrank();
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.NotOwner.selector, foreign, STRANGER, OWNER));
        ANCHOR.succeed(logId, 5, foreign);
    }

    function _registered() private returns (bytes32) {
        return ANCHOR.register(ORIGIN);
    }

    function _anchor(bytes32 logId, bytes32 seed, uint64 oldSize, uint64 size) private {
        bytes32[] memory list = Tree.leaves(seed, size);
        bytes32[] memory proof = oldSize == 0 ? none : Tree.consistency(list, oldSize);
        ANCHOR.anchor(logId, size, Tree.root(list), proof);
    }

    function _assertLatest(bytes32 logId, bytes32 seed, uint64 expectedSize) private view {
        (uint64 size, bytes32 root) = ANCHOR.latest(logId);
        vm.assertEq(size, expectedSize);
        vm.assertEq(root, Tree.root(seed, expectedSize));
    }
}

/// @dev `forge snapshot --match-contract GasTest` writes these; tree sizes as a busy log has them.
contract GasTest {
    CheckpointAnchor private immutable ANCHOR = new CheckpointAnchor();
    bytes32 private logId;
    bytes32[] private leaves;
    bytes32 private root;
    bytes32[] private proof;

    function setUp() public {
        logId = ANCHOR.register("origin");
        ANCHOR.anchor(logId, 500, Tree.root("tree", 500), new bytes32[](0));
        bytes32[] memory list = Tree.leaves("tree", 700);
        root = Tree.root(list);
        proof = Tree.consistency(list, 500);
    }

    function test_gas_anchor_500to700() public {
        ANCHOR.anchor(logId, 700, root, proof);
    }

    function test_gas_anchor_sameAgain() public {
        ANCHOR.anchor(logId, 500, ANCHOR.rootOf(logId, 500), proof);
    }

    function test_gas_register() public {
        ANCHOR.register("another origin");
    }
}

/// @dev What an anchor costs once the log has a million leaves.
contract GasOfAMillionTest {
    CheckpointAnchor private immutable ANCHOR = new CheckpointAnchor();

    event AnchorGas(uint64 from, uint64 to, uint256 hashes, uint256 gas);

    /// 21 hashes: no proof to this size has more.
    function test_gas_anchor_aMillion() public {
        uint256 gas = _anchorGas(91, 1_000_000);
        vm.assertTrue(gas > 90_000 && gas < 100_000, "docs/decisions/0015 says 97,000");
    }

    function test_fuzz_gas_anchor_aMillion(uint64 from) public {
        uint256 gas = _anchorGas(1 + from % 999_999, 1_000_000);
        vm.assertTrue(gas < 200_000, "an anchor at a million costs too much");
    }

    /// Gas of the transaction: 21,000, 4 or 16 a byte of its data (EIP-2028), and what the call used. Trees of this size are not built: a proof of made-up
    /// hashes leads to two roots that it is the proof between.
    function _anchorGas(uint64 from, uint64 to) private returns (uint256 gas) {
        bytes32[] memory path = new bytes32[](RFC9162.consistencyLength(from, to));
        for (uint256 i = 0; i < path.length; ++i) {
            path[i] = keccak256(abi.encode(i));
        }
        (bool wellFormed, bytes32 oldRoot, bytes32 newRoot) = this.rootsOf(from, to, path);
        vm.assertTrue(wellFormed);
        bytes32 id = ANCHOR.register("a log of a million");
        ANCHOR.anchor(id, from, oldRoot, new bytes32[](0));
        bytes memory data = abi.encodeCall(ICheckpointAnchor.anchor, (id, to, newRoot, path));
        gas = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
        vm.cool(address(ANCHOR));
        uint256 before = gasleft();
        (bool success,) = address(ANCHOR).call(data);
        gas += before - gasleft();
        vm.assertTrue(success);
        emit AnchorGas(from, to, path.length, gas);
    }

    function rootsOf(uint64 from, uint64 to, bytes32[] calldata path) external pure returns (bool, bytes32, bytes32) {
        return RFC9162.rootsFromConsistency(from, keccak256("root of a power of two"), to, path);
    }
}
