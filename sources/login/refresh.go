package login

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// refresh is a refresh token. Many providers replace it each time it is used (RFC 6749, section 6; RFC 9700, section
// 4.14.2), so that the one in the configuration is good only once. The latest is held in memory and, where a token_file
// is named, on disk.
type refresh struct {
	file       string
	configured bridge.Secret

	mu     sync.Mutex
	latest bridge.Secret
}

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
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
		c.Warnf(c.Range("token_file"), "Readable by others", "token_file holds a secret and can be read by others; type: chmod 600 %s", filepath.Base(file))
	}
}

func (r *refresh) current() bridge.Secret {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

// recall is the token to use: that of the file, if it follows the configured one, because another process may have been
// given it, or else the latest we know.
func (r *refresh) recall() bridge.Secret {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == "" {
		return r.latest
	}
	var kept keptToken
	file, err := os.Open(r.file)
	if err != nil {
		return r.latest
	}
	defer file.Close()
	if err := json.NewDecoder(io.LimitReader(file, maxTokenFile)).Decode(&kept); err == nil && kept.RefreshToken != "" && kept.Follows == r.line() {
		r.latest = bridge.NewSecret(kept.RefreshToken)
	}
	return r.latest
}

func (r *refresh) line() string {
	sum := sha256.Sum256([]byte(r.configured.Reveal()))
	return hex.EncodeToString(sum[:])
}

var errNotKept = errors.New("no token_file is set; name one to keep it over restarts")

// remember keeps a token that has replaced the last one. The file is replaced as a whole: it holds the old one or the
// new one, never a part.
func (r *refresh) remember(next bridge.Secret) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = next
	if r.file == "" {
		return errNotKept
	}
	data, err := json.Marshal(keptToken{RefreshToken: next.Reveal(), Follows: r.line()})
	if err != nil {
		return err
	}
	return replaceFile(r.file, append(data, '\n'))
}

// replaceFile writes a file that only its owner can read, and has it on disk before it takes the place of the old one.
func replaceFile(name string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
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
