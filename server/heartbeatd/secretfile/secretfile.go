// Package secretfile reads secrets, keys and passwords from files, which other users of the
// machine cannot read as they can the arguments of a process.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxBytes is the largest size of a file.
const maxBytes = 64 << 10

// Content is the content of a file, without the line break at its end. The text of a flag of this
// type is the path of the file.
type Content string

// UnmarshalText reads the file at a path.
func (c *Content) UnmarshalText(path []byte) error {
	text, err := read(string(path))
	*c = Content(text)
	return err
}

func read(path string) (string, error) {
	if path == "" {
		return "", errors.New("the path is empty: name the file that has the secret")
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("%w: make the file readable for the user that runs heartbeatd, and for nobody else", err)
	}
	if err != nil {
		return "", fmt.Errorf("%w: name the file that has the secret", err)
	}
	defer func() { _ = file.Close() }()
	b, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return "", fmt.Errorf("%w: name a file that has the secret and nothing else", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case len(b) > maxBytes:
		return "", fmt.Errorf("%s has more than %d bytes: name a file that has the secret and nothing else", path, maxBytes)
	case text == "":
		return "", fmt.Errorf("%s is empty: write the secret to it", path)
	case strings.ContainsAny(text, "\r\n"):
		return "", fmt.Errorf("%s has more than one line: name a file that has the secret and nothing else", path)
	}
	return text, nil
}

// Set sets the value of a flag to the content, if there is a file. It is an error if the flag has a
// value already.
func (c Content) Set(value *string, flag string) error {
	if c == "" {
		return nil
	}
	if *value != "" {
		return fmt.Errorf("--%s and --%s-file are both set: remove one of them", flag, flag)
	}
	*value = string(c)
	return nil
}
