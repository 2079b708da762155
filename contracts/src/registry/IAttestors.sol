// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PartyId, Provenance} from "./IRules.sol";

/// @title Who may enter facts of other chains
/// @notice Whoever keeps such facts asks this of the caller, so that an inbox which has checked a proof enters them through the same
/// functions as an authority that gives its word.
interface IAttestors {
    /// @notice A fact of another chain was entered.
    /// @param by Who has given its word; nobody where it came with a proof.
    event FactEntered(bytes32 indexed subject, Provenance from, PartyId indexed by);

    /// @notice How what this account enters has come here: attested by the NCCA of the chain's state, or proven to its inbox. Reverts for
    /// anybody else, by this row.
    function attestor(uint8 row, address account) external view returns (PartyId by, Provenance from);
}
