//go:build !unix || aix || solaris

package embedded

import (
	"log/slog"
	"os"
)

// lockStoreDir returns nil: without locks, folders of processes that were killed stay.
func lockStoreDir(string) (*os.File, error) { return nil, nil }

func removeDeadStoreDirs(*slog.Logger) {}
