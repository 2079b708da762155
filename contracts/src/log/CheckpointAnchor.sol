// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICheckpointAnchor} from "./ICheckpointAnchor.sol";
import {RFC9162} from "./RFC9162.sol";

/// @title Anchor of transparency-log checkpoints, as specified in ICheckpointAnchor
contract CheckpointAnchor is ICheckpointAnchor {
    struct Log {
        address owner;
        uint64 size; // of the latest checkpoint; its root is _rootAt[logId][size]
        address offeredTo;
        uint64 finalSize;
        bytes32 successor; // not zero: the log is closed
    }

    /// @dev Slot 0, and first for that reason: offline proofs read it (see the interface).
    mapping(bytes32 logId => mapping(uint64 size => bytes32 root)) private _rootAt;
    mapping(bytes32 logId => Log) private _logs;

    /// @inheritdoc ICheckpointAnchor
    function register(bytes32 originHash) external returns (bytes32 logId) {
        logId = keccak256(abi.encode(msg.sender, originHash));
        if (_logs[logId].owner != address(0)) return logId;
        _logs[logId].owner = msg.sender;
        emit LogRegistered(logId, msg.sender, originHash);
    }

    /// @inheritdoc ICheckpointAnchor
    function anchor(bytes32 logId, uint64 size, bytes32 root, bytes32[] calldata proof) external {
        Log storage log = _ownLog(logId);
        uint64 latestSize = log.size;
        bytes32 latestRoot = _latestRoot(logId, latestSize);
        if (size < latestSize) revert Stale(logId, latestSize, size);
        if (size == latestSize) {
            if (root != latestRoot) revert Fork(logId, size, latestRoot, root);
            return;
        }
        if (root == 0) revert ZeroRoot(logId, size);
        if (latestSize == 0) {
            if (proof.length != 0) revert BadProof(logId, 0, proof.length);
        } else {
            (bool wellFormed, bytes32 oldFromProof, bytes32 newFromProof) =
                RFC9162.rootsFromConsistency(latestSize, latestRoot, size, proof);
            if (!wellFormed) revert BadProof(logId, RFC9162.consistencyLength(latestSize, size), proof.length);
            if (oldFromProof != latestRoot) revert Fork(logId, latestSize, latestRoot, oldFromProof);
            if (newFromProof != root) revert Fork(logId, size, root, newFromProof);
        }
        _store(logId, log, size, root);
    }

    /// @inheritdoc ICheckpointAnchor
    function succeed(bytes32 logId, uint64 finalSize, bytes32 newLogId) external {
        Log storage log = _ownLog(logId);
        if (newLogId == logId) revert OwnSuccessor(logId);
        Log storage successor = _ownLog(newLogId);
        if (finalSize != 0) {
            bytes32 root = _rootAt[logId][finalSize];
            if (root == 0) revert UnknownSize(logId, finalSize);
            bytes32 taken = _rootAt[newLogId][finalSize];
            if (successor.size == 0) _store(newLogId, successor, finalSize, root);
            else if (taken != root) revert Fork(newLogId, finalSize, root, taken);
        }
        log.finalSize = finalSize;
        log.successor = newLogId;
        emit LogSucceeded(logId, finalSize, newLogId);
    }

    /// @inheritdoc ICheckpointAnchor
    function offerOwnership(bytes32 logId, address newOwner) external {
        _ownLog(logId).offeredTo = newOwner;
        emit OwnershipOffered(logId, msg.sender, newOwner);
    }

    /// @inheritdoc ICheckpointAnchor
    function acceptOwnership(bytes32 logId) external {
        Log storage log = _logs[logId];
        address previousOwner = log.owner;
        if (previousOwner == address(0)) revert UnknownLog(logId);
        if (log.offeredTo != msg.sender) revert NotOwner(logId, log.offeredTo, msg.sender);
        log.owner = msg.sender;
        log.offeredTo = address(0);
        emit OwnershipTransferred(logId, previousOwner, msg.sender);
    }

    /// @inheritdoc ICheckpointAnchor
    function latest(bytes32 logId) external view returns (uint64 size, bytes32 root) {
        if (_logs[logId].owner == address(0)) revert UnknownLog(logId);
        size = _logs[logId].size;
        root = _latestRoot(logId, size);
    }

    /// @inheritdoc ICheckpointAnchor
    function rootOf(bytes32 logId, uint64 size) external view returns (bytes32) {
        return _rootAt[logId][size];
    }

    /// @inheritdoc ICheckpointAnchor
    function ownerOf(bytes32 logId) external view returns (address) {
        return _logs[logId].owner;
    }

    /// @inheritdoc ICheckpointAnchor
    function offeredTo(bytes32 logId) external view returns (address) {
        return _logs[logId].offeredTo;
    }

    /// @inheritdoc ICheckpointAnchor
    function successorOf(bytes32 logId) external view returns (bytes32 newLogId, uint64 finalSize) {
        return (_logs[logId].successor, _logs[logId].finalSize);
    }

    /// @inheritdoc ICheckpointAnchor
    function verifyInclusion(bytes32 logId, uint64 size, uint64 index, bytes32 leafHash, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        bytes32 stored = _rootAt[logId][size];
        (bool wellFormed, bytes32 root) = RFC9162.rootFromInclusion(index, size, leafHash, proof);
        return stored != 0 && wellFormed && root == stored;
    }

    /// @dev The log, if the caller owns it and it is open.
    function _ownLog(bytes32 logId) private view returns (Log storage log) {
        log = _logs[logId];
        address owner = log.owner;
        if (owner == address(0)) revert UnknownLog(logId);
        if (owner != msg.sender) revert NotOwner(logId, owner, msg.sender);
        if (log.successor != 0) revert Closed(logId, log.successor);
    }

    function _latestRoot(bytes32 logId, uint64 size) private view returns (bytes32) {
        return size == 0 ? RFC9162.EMPTY_ROOT : _rootAt[logId][size];
    }

    function _store(bytes32 logId, Log storage log, uint64 size, bytes32 root) private {
        log.size = size;
        _rootAt[logId][size] = root;
        emit CheckpointAnchored(logId, size, root);
    }
}
