package bridge

import _ "embed"

// Example is bridge.hcl, the commented configuration that runs as it stands against hookbridge demo.
//
//go:embed bridge.hcl
var Example string
