package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"shaketable/pipeline"
)

// maxModelBytes is the largest message that the format of ONNX files can hold.
const maxModelBytes = 2<<30 - 1

// readModel reads the file of a detector's model once and returns its bytes and their SHA-256 in hex. What is hashed is
// what will run: the runtime never sees the path, so nobody can put another file there in between.
func readModel(d pipeline.Detector) (data []byte, digest string, err error) {
	file, err := os.Open(d.Model.Path)
	if err != nil {
		return nil, "", fmt.Errorf("model.path: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("model.path: %s is not a regular file", d.Model.Path)
	}
	data, err = io.ReadAll(io.LimitReader(file, maxModelBytes+1))
	if err != nil {
		return nil, "", fmt.Errorf("model.path: %w", err)
	}
	if len(data) > maxModelBytes {
		return nil, "", fmt.Errorf("model.path: %s is larger than 2 GiB, the most that an ONNX file can hold", d.Model.Path)
	}
	sum := sha256.Sum256(data)
	digest = hex.EncodeToString(sum[:])
	if d.Model.SHA256 != "" && d.Model.SHA256 != digest {
		return nil, "", fmt.Errorf("model.sha256: %s has the digest %s, not %s: it is not the file that was configured; "+
			"bring that one back, or give the new one a new version and its digest", d.Model.Path, digest, d.Model.SHA256)
	}
	return data, digest, nil
}
