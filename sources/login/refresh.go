package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// refresh is a refresh token. Many providers replace it each time it is used (RFC 6749, section 6; RFC 9700, section
// 4.14.2), so that the one in the configuration is good only once. The latest is held in memory and, where a token_file
// is named, on disk. It belongs to whoever has taken it: one that is used twice looks stolen to its provider.
type refresh struct {
	configured bridge.Secret
	taken      chan struct{}
	latest     bridge.Secret
	filed      map[string]bridge.Secret // what is in a file as far as we know
	given      recent
}

func newRefresh(configured bridge.Secret) *refresh {
	return &refresh{configured: configured, latest: configured, taken: make(chan struct{}, 1), filed: map[string]bridge.Secret{}}
}

func (r *refresh) take(ctx context.Context) error {
	select {
	case r.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *refresh) giveBack() { <-r.taken }

// keptToken is the content of a token_file.
type keptToken struct {
	RefreshToken string `json:"refresh_token"`
	// Follows is the hash of the configured token that this one descends from. One that is written anew there ends the
	// line, and the file with it.
	Follows string `json:"follows"`
}

// maxTokenFile bounds what is read of a token_file.
const maxTokenFile = 64 << 10

// checkFolder notes at load what would fail only when the first token has been replaced, and is lost.
func checkFolder(c *attr.Reader, file string) {
	info, err := os.Stat(filepath.Dir(file))
	if err != nil || !info.IsDir() {
		c.Errorf(c.Range("token_file"), "No such folder", "The folder of token_file does not exist; make it, writable by hookbridge alone.")
	}
	switch info, err := os.Stat(file); {
	case err != nil:
	case !info.Mode().IsRegular():
		c.Errorf(c.Range("token_file"), "Not a file", "token_file names what is no file; write the name of one, which hookbridge makes itself.")
	case info.Mode().Perm()&0o077 != 0:
		c.Warnf(c.Range("token_file"), "Readable by others", "token_file holds a secret and can be read by others; type: chmod 600 %s", filepath.Base(file))
	}
}

// recall is the token to use: one that the file has got since we looked last, because another process has been given it, or
// else the latest we know. A file that is there and cannot be read is an error, and the token is not used: what it keeps
// has most likely replaced it.
func (r *refresh) recall(name string) (bridge.Secret, error) {
	if name == "" {
		return r.latest, nil
	}
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		delete(r.filed, name)
		return r.latest, nil
	}
	if err != nil {
		return bridge.Secret{}, &unreadError{err}
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxTokenFile))
	if err != nil {
		return bridge.Secret{}, &unreadError{err}
	}
	var kept keptToken
	if err := json.Unmarshal(data, &kept); err != nil || kept.RefreshToken == "" || kept.Follows != r.line() {
		return r.latest, nil
	}
	if found := bridge.NewSecret(kept.RefreshToken); found != r.filed[name] { // an older one stays there where writing failed
		r.latest, r.filed[name] = found, found
		r.given.note(kept.RefreshToken)
	}
	return r.latest, nil
}

// unreadError is a token_file that is there and cannot be read.
type unreadError struct{ err error }

func (e *unreadError) Error() string {
	return fmt.Sprintf("token_file cannot be read: %v; it keeps the refresh token that is good now: run hookbridge as the user who owns it", e.err)
}

func (r *refresh) line() string {
	sum := sha256.Sum256([]byte(r.configured.Reveal()))
	return hex.EncodeToString(sum[:])
}

var errNotKept = errors.New("no token_file is set; name one to keep it over restarts")

// remember keeps the token to use next, unless it is where it should be. The file is replaced as a whole: it holds the old
// one or the new one, never a part.
func (r *refresh) remember(name string, next bridge.Secret) error {
	r.latest = next
	r.given.note(next.Reveal())
	switch next {
	case r.configured, r.filed[name]:
		return nil
	}
	if name == "" {
		return errNotKept
	}
	data, err := json.Marshal(keptToken{RefreshToken: next.Reveal(), Follows: r.line()})
	if err != nil {
		return err
	}
	if err = replaceFile(name, append(data, '\n')); err == nil {
		r.filed[name] = next
	}
	return err
}

// replaceFile writes a file that only its owner can read, and has it on disk before it takes the place of the old one. Its
// owner stays the same, or is that of the folder.
func replaceFile(name string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	owner, err := os.Stat(name)
	if err != nil {
		owner, err = os.Stat(filepath.Dir(name))
	}
	if err == nil {
		err = giveTo(file, owner)
	}
	if err == nil {
		_, err = file.Write(data)
	}
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(name))
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// syncFolder has a new name on disk.
func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
