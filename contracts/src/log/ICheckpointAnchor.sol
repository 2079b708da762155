// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Anchor of transparency-log checkpoints
/// @notice Keeps the sizes and roots of append-only logs and takes a new one only with an RFC 9162 consistency proof from the
/// latest. Whoever holds the key of a log's owner can extend the log or close it; nobody can rewrite, shrink or fork it.
/// @dev The roots lie at storage slot 0 as `mapping(bytes32 logId => mapping(uint64 size => bytes32 root))`, so the root
/// of a log at a size is at keccak256(abi.encode(size, keccak256(abi.encode(logId, 0)))). Proofs that are checked offline
/// read it there: the slot is part of this interface.
interface ICheckpointAnchor {
    /// @notice A log was created.
    event LogRegistered(bytes32 indexed logId, address indexed owner, bytes32 indexed originHash);
    /// @notice A checkpoint was anchored: the latest of its log from now on.
    event CheckpointAnchored(bytes32 indexed logId, uint64 indexed size, bytes32 root);
    /// @notice A log was closed at `finalSize`; `newLogId` goes on from there.
    event LogSucceeded(bytes32 indexed logId, uint64 finalSize, bytes32 indexed newLogId);
    /// @notice A new owner was named, who has to accept. The zero address takes an earlier offer back.
    event OwnershipOffered(bytes32 indexed logId, address indexed owner, address indexed newOwner);
    /// @notice The named owner accepted.
    event OwnershipTransferred(bytes32 indexed logId, address indexed previousOwner, address indexed newOwner);

    /// @notice No log has this id.
    error UnknownLog(bytes32 logId);
    /// @notice Only the owner may do this (or, when accepting, only the one who was named).
    error NotOwner(bytes32 logId, address owner, address caller);
    /// @notice The log is closed; `successor` goes on.
    error Closed(bytes32 logId, bytes32 successor);
    /// @notice The checkpoint is older than the latest.
    error Stale(bytes32 logId, uint64 latestSize, uint64 size);
    /// @notice Two roots at one size: `expected` is stored (or, at a size that is not stored yet, claimed by the caller),
    /// `actual` is what the caller or the proof brings. A damaged proof of the right length cannot be told from a fork.
    error Fork(bytes32 logId, uint64 size, bytes32 expected, bytes32 actual);
    /// @notice The proof has a length that fits no pair of trees of these sizes.
    error BadProof(bytes32 logId, uint256 expectedLength, uint256 actualLength);
    /// @notice The root is zero, which stands for "not stored".
    error ZeroRoot(bytes32 logId, uint64 size);
    /// @notice No checkpoint of this size was anchored.
    error UnknownSize(bytes32 logId, uint64 size);
    /// @notice A log cannot succeed itself.
    error OwnSuccessor(bytes32 logId);

    /// @notice Creates a log owned by the caller. Its id binds the caller, so nobody can take another's origin. Called
    /// again by the same account it changes nothing, also after the log went to another owner.
    /// @param originHash SHA-256 of the log's origin line.
    /// @return logId keccak256(abi.encode(msg.sender, originHash)).
    function register(bytes32 originHash) external returns (bytes32 logId);

    /// @notice Anchors a checkpoint. The latest size and root again change nothing and emit nothing, whatever the proof,
    /// so a call may be repeated when its answer was lost. What is proven is that the tree under `root` begins with the tree under the
    /// latest root; how many leaves it has beyond is the owner's word (a root does not bind its size), as in every such log.
    /// @param proof Consistency proof from the latest size (RFC 9162, section 2.1.4); empty when the log has none yet.
    function anchor(bytes32 logId, uint64 size, bytes32 root, bytes32[] calldata proof) external;

    /// @notice Closes a log at a size that was anchored (the latest, or an older one when an old backup is all that is left;
    /// 0 when nothing is) and names the log that goes on. The successor, of the same owner, begins with this size and root
    /// if it is empty, otherwise it has to hold the same root at this size.
    function succeed(bytes32 logId, uint64 finalSize, bytes32 newLogId) external;

    /// @notice Names a new owner, who becomes it by accepting.
    function offerOwnership(bytes32 logId, address newOwner) external;

    /// @notice Accepts a log that was offered to the caller.
    function acceptOwnership(bytes32 logId) external;

    /// @notice Latest checkpoint; size 0 and the root of the empty tree when there is none yet. Reverts for unknown logs.
    function latest(bytes32 logId) external view returns (uint64 size, bytes32 root);

    /// @notice Root anchored at this size; zero where none was.
    function rootOf(bytes32 logId, uint64 size) external view returns (bytes32);

    /// @notice Owner; the zero address for an unknown log.
    function ownerOf(bytes32 logId) external view returns (address);

    /// @notice The account that may accept the log; the zero address when there is none.
    function offeredTo(bytes32 logId) external view returns (address);

    /// @notice The log that goes on after this one and the size it was closed at; zero for an open log.
    function successorOf(bytes32 logId) external view returns (bytes32 newLogId, uint64 finalSize);

    /// @notice Whether a leaf is in a log, under the root anchored at `size`. Other contracts can rely on logged facts by it.
    /// @param leafHash SHA-256(0x00 || entry).
    /// @param proof Inclusion proof (RFC 9162, section 2.1.3).
    function verifyInclusion(bytes32 logId, uint64 size, uint64 index, bytes32 leafHash, bytes32[] calldata proof)
        external
        view
        returns (bool);
}
