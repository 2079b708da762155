// Verifies a tlog-proof under a policy with torchwood alone: verify-proof POLICY PROOF ENTRY-IN-HEX.
package main

import (
	"encoding/hex"
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	policyFile, err := os.ReadFile(os.Args[1])
	check(err)
	proof, err := os.ReadFile(os.Args[2])
	check(err)
	entry, err := hex.DecodeString(os.Args[3])
	check(err)
	policy, err := torchwood.ParsePolicy(policyFile)
	check(err)
	check(torchwood.VerifyProof(policy, tlog.RecordHash(entry), proof))
	fmt.Println("verified")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
