// kstatus says what kstatus concludes about objects: by it Flux, Helm 4 and others decide whether to wait.
//
// It reads objects as JSON, one a line, and prints for each a line {"status": ..., "message": ...}. An object that the library
// cannot judge ends it with status 1 and the reason.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// An apiserver takes no object that is larger.
const longestLine = 4 << 20

type verdict struct {
	Status  status.Status `json:"status"`
	Message string        `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	output := json.NewEncoder(os.Stdout)
	for number := 1; lines.Scan(); number++ {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		result, err := status.Compute(object)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := output.Encode(verdict{result.Status, result.Message}); err != nil {
			return err
		}
	}
	return lines.Err()
}
