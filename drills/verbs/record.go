package verbs

import (
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// The bodies of the journal entries that the world writes. The engine's own are
// in drills/journal. Members are only ever added: the independent checker reads
// them by name.

// Custody tells of custodians and a key: that they were called, that it was
// opened or why not, and that it was closed. Note is the signed authorisation,
// word for word, so that an outsider can check that the record key signed it and
// which decision it names.
type Custody struct {
	Key           string       `json:"key"`
	Expected      string       `json:"expected,omitempty"` // when called: the time at which enough of them will be there
	Authorisation string       `json:"authorisation,omitempty"`
	Use           string       `json:"use,omitempty"`
	Count         int          `json:"count,omitempty"`
	NotBefore     time.Time    `json:"not_before,omitzero"`
	Expires       time.Time    `json:"expires,omitzero"`
	Decision      int64        `json:"decision"`      // number of the entry
	DecisionHash  string       `json:"decision_hash"` // its hash, which the note names
	Note          string       `json:"note,omitempty"`
	Needed        int          `json:"needed"`
	Of            int          `json:"of"`
	Parties       int          `json:"parties,omitempty"` // of how many at least those who give must be
	Shares        []ShareGiven `json:"shares"`
	Opened        bool         `json:"opened"`
	Refused       string       `json:"refused,omitempty"` // why it was not opened
	Closed        bool         `json:"closed,omitempty"`  // the session's end; Uses is then final
	Uses          int          `json:"uses,omitempty"`
	Sample        string       `json:"sample"` // what of this is sample data
}

// ShareGiven is one custodian's part in opening a key. It never holds the share.
// Given says that the key was opened with it. The rest is set where people were
// asked for their shares.
type ShareGiven struct {
	Custodian string `json:"custodian"`
	Party     string `json:"party"`
	Share     int    `json:"share"`
	Given     bool   `json:"given"`
	Handed    bool   `json:"handed,omitempty"`   // over, whether or not the key was opened with it
	Withheld  bool   `json:"withheld,omitempty"` // kept back by the custodian, who was there
	Mistyped  int    `json:"mistyped,omitempty"` // codes that opened no envelope
}

// KeyUse is one signature of a recovery key. Digest is the SHA-256 of the octets
// that were signed, which for a GBCS message is everything after the DF tag up to
// and including the payload.
type KeyUse struct {
	Key           string `json:"key"`
	Number        int    `json:"number"` // 1 for the first use under the authorisation
	Digest        string `json:"digest"`
	Authorisation string `json:"authorisation"`
	Decision      int64  `json:"decision"`
	DecisionHash  string `json:"decision_hash"`
	Use           string `json:"use"`
	Device        string `json:"device"`
}

// CertificateIssued is a certificate that the CA issued in the course of a
// drill, or before it for the parties and, as a count, for the devices.
type CertificateIssued struct {
	File      string `json:"file,omitempty"`
	Serial    string `json:"serial"`
	Issuer    string `json:"issuer"`
	Party     string `json:"party"`
	Entity    string `json:"entity"`
	Role      string `json:"role"`
	Usage     string `json:"usage"`
	Purpose   string `json:"purpose"` // signing, agreement or prepayment
	KeyID     string `json:"key_id"`
	Requester string `json:"requester"`
	Note      string `json:"note,omitempty"`
}

// CertificatesIssued stands for many certificates of one kind, the devices'.
type CertificatesIssued struct {
	Issuer string `json:"issuer"`
	Kind   string `json:"kind"`
	Count  int    `json:"count"`
	Note   string `json:"note"`
}

// Revoked is one certificate revoked.
type Revoked struct {
	Serial string `json:"serial"`
	Issuer string `json:"issuer"`
	Party  string `json:"party"`
	Reason string `json:"reason"`
	By     string `json:"by"`
	Note   string `json:"note,omitempty"`
}

// CRLPublished is a certificate revocation list that the CA published.
type CRLPublished struct {
	File       string    `json:"file"`
	Issuer     string    `json:"issuer"`
	Number     int64     `json:"number"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Entries    int       `json:"entries"`
}

// Shard is what one party's commands led to in a stretch of scenario time. Root
// is the RFC 6962 tree hash over the octets of its messages, in the order of
// time and device index, each command followed by its answer where there is one.
type Shard struct {
	Campaign string         `json:"campaign"`
	Number   int            `json:"number"`
	From     string         `json:"from"`
	To       string         `json:"to"`
	Sent     int            `json:"sent"`
	Outcomes map[string]int `json:"outcomes"`
	Cells    map[string]int `json:"cells"`   // status of each cell that was to be replaced
	Reasons  map[string]int `json:"reasons"` // why devices or the broker refused
	Messages int            `json:"messages"`
	Root     string         `json:"root"`
	First    string         `json:"first,omitempty"` // device of the first and the last command
	Last     string         `json:"last,omitempty"`
	Progress map[string]int `json:"progress"` // recovered, partly, waiting, unreachable, excluded, after it
}

// Message names a message that lies in the pack.
type Message struct {
	File      string `json:"file"`
	SHA256    string `json:"sha256"` // of the file
	Device    string `json:"device"`
	Direction string `json:"direction"` // command, response or alert
	UseCase   string `json:"use_case"`
	Code      string `json:"code"`
	Mode      string `json:"mode,omitempty"`
	Campaign  string `json:"campaign"`
	Outcome   string `json:"outcome,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// ReadBack is what devices said of their cells when asked (CS02a).
type ReadBack struct {
	When     string         `json:"when"`
	Sample   int            `json:"sample"`
	Answered int            `json:"answered"`
	Party    string         `json:"party"`
	Holding  map[string]int `json:"holding"` // whose key the party's cell holds
	Messages int            `json:"messages"`
	Root     string         `json:"root"`
	Differ   int            `json:"differ"` // answers that are not what the devices hold
}

// Checkpoint is a progress file written at a point of the drill.
type Checkpoint struct {
	File    string         `json:"file"`
	SHA256  string         `json:"sha256"`
	Party   string         `json:"party"`
	Columns string         `json:"columns"` // what the columns rest on
	Counts  map[string]int `json:"counts"`
}

// merkleRoot is the RFC 6962 tree hash over messages.
func merkleRoot(messages [][]byte) string {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	for i, m := range messages {
		hashes, err := tlog.StoredHashes(int64(i), m, reader)
		if err != nil {
			panic("verbs: internal error: " + err.Error())
		}
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(int64(len(messages)), reader)
	if err != nil {
		panic("verbs: internal error: " + err.Error())
	}
	return hexOf(root[:])
}
