// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CheckpointAnchor} from "../src/log/CheckpointAnchor.sol";
import {Tree} from "./Tree.sol";
import {vm} from "./Vm.sol";

/// @dev Two owners with a log each, and everything that they and others may try: growth, forks, stale heads, damaged proofs,
/// hand-overs, successors. It remembers every root that was ever taken.
contract AnchorHandler {
    struct Taken {
        bytes32 logId;
        uint64 size;
        bytes32 root;
    }

    CheckpointAnchor public immutable ANCHOR = new CheckpointAnchor();
    Taken[] public taken;
    bytes32[] public logs;
    mapping(bytes32 => bytes32) public seedOf;
    mapping(bytes32 => uint64) public highest;
    uint256 public accepted;
    uint256 public refused;

    constructor() {
        _register(address(1), "one");
        _register(address(2), "two");
    }

    function grow(uint8 which, uint8 by) external {
        bytes32 logId = logs[which % logs.length];
        (uint64 size,) = ANCHOR.latest(logId);
        uint64 target = size + by % 9;
        if (target > 120) return;
        _try(logId, ANCHOR.ownerOf(logId), target, seedOf[logId], target, size);
    }

    function attack(uint8 which, uint8 by, address caller, bytes32 seed, uint8 claimed, bool own, bool honest)
        external
    {
        bytes32 logId = logs[which % logs.length];
        (uint64 size,) = ANCHOR.latest(logId);
        caller = own || uint160(caller) < 10 ? ANCHOR.ownerOf(logId) : caller;
        _try(logId, caller, claimed, honest ? seedOf[logId] : seed, 1 + by % 70, size);
    }

    function handOver(uint8 which, address newOwner) external {
        if (uint160(newOwner) < 10) return;
        bytes32 logId = logs[which % logs.length];
        vm.prank(ANCHOR.ownerOf(logId));
        try ANCHOR.offerOwnership(logId, newOwner) {
            vm.prank(newOwner);
            ANCHOR.acceptOwnership(logId);
        } catch {}
    }

    function succeed(uint8 which, uint8 finalSeed) external {
        if (logs.length > 6) return;
        bytes32 logId = logs[which % logs.length];
        (bytes32 successor,) = ANCHOR.successorOf(logId);
        (uint64 size, bytes32 root) = ANCHOR.latest(logId);
        if (successor != 0 || size == 0) return;
        if (finalSeed % 4 == 0) (size, root) = (0, Tree.root("", 0));
        address owner = ANCHOR.ownerOf(logId);
        bytes32 next = _register(owner, keccak256(abi.encode(logId)));
        seedOf[next] = seedOf[logId];
        vm.prank(owner);
        ANCHOR.succeed(logId, size, next);
        if (size != 0) _took(next, size, root);
    }

    function takenLength() external view returns (uint256) {
        return taken.length;
    }

    function logsLength() external view returns (uint256) {
        return logs.length;
    }

    function _register(address owner, bytes32 origin) private returns (bytes32 logId) {
        vm.prank(owner);
        logId = ANCHOR.register(origin);
        logs.push(logId);
        seedOf[logId] = origin;
    }

    /// @dev Claims the root of `seed`'s tree at treeSize for size `claimed`, with that tree's proof from `oldSize`.
    function _try(bytes32 logId, address caller, uint64 claimed, bytes32 seed, uint64 treeSize, uint64 oldSize)
        private
    {
        bytes32[] memory list = Tree.leaves(seed, treeSize);
        bytes32[] memory proof =
            oldSize == 0 || oldSize >= treeSize ? new bytes32[](0) : Tree.consistency(list, oldSize);
        bytes32 root = Tree.root(list);
        vm.prank(caller);
        try ANCHOR.anchor(logId, claimed, root, proof) {
            ++accepted;
            if (claimed > oldSize) {
                if (oldSize == 0) seedOf[logId] = seed;
                // The first checkpoint is taken on trust; from then on only the tree that it began grows. (Under which size, a
                // root does not say: test_anchor_aRootDoesNotBindItsSize.)
                vm.assertTrue(oldSize == 0 || seed == seedOf[logId], "a fork was anchored");
                _took(logId, claimed, root);
            }
        } catch {
            ++refused;
        }
    }

    function _took(bytes32 logId, uint64 size, bytes32 root) private {
        taken.push(Taken(logId, size, root));
        highest[logId] = size;
    }
}

contract CheckpointAnchorInvariants {
    AnchorHandler private handler;

    function setUp() public {
        handler = new AnchorHandler();
    }

    function targetContracts() public view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    function invariant_everyStoredRootStays() public view {
        CheckpointAnchor anchor = handler.ANCHOR();
        for (uint256 i = 0; i < handler.takenLength(); ++i) {
            (bytes32 logId, uint64 size, bytes32 root) = handler.taken(i);
            vm.assertEq(anchor.rootOf(logId, size), root);
        }
    }

    function invariant_sizeNeverShrinks() public view {
        CheckpointAnchor anchor = handler.ANCHOR();
        for (uint256 i = 0; i < handler.logsLength(); ++i) {
            bytes32 logId = handler.logs(i);
            (uint64 size, bytes32 root) = anchor.latest(logId);
            vm.assertEq(size, handler.highest(logId));
            if (size != 0) vm.assertEq(root, anchor.rootOf(logId, size));
        }
    }
}
