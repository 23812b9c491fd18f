// Copyright the Trialbook authors. Licensed under the Apache License, Version 2.0.

// Readlog checks an archive with the tree, the tiles and the signed notes of Go's checksum database
// (golang.org/x/mod/sumdb). It knows no record and no policy, and shares no code with what wrote the archive.
//
//	readlog ARCHIVE VKEY CHECKPOINT...
//
// The checkpoints are the log's, smallest first; the tiles must be those of the last. It says how much it has checked,
// or what does not hold, with status 1.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// height of the tiles: 256 hashes each.
const height = 8

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: readlog ARCHIVE VKEY CHECKPOINT...")
		os.Exit(2)
	}
	said, err := check(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		fmt.Println("does not hold:", err)
		os.Exit(1)
	}
	fmt.Println(said)
}

func check(archive, vkey string, notes []string) (string, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	var trees []tlog.Tree
	for _, path := range notes {
		tree, err := open(path, verifier)
		if err != nil {
			return "", fmt.Errorf("%s: %v", filepath.Base(path), err)
		}
		trees = append(trees, tree)
	}
	last := trees[len(trees)-1]
	tiles := &tiles{archive: archive, read: make(map[string][]byte)}
	hashes := &memory{tiles: tlog.TileHashReader(last, tiles), known: make(map[int64]tlog.Hash)}

	consistencies := 0
	for i, old := range trees {
		for _, tree := range trees[i:] {
			proof, err := tlog.ProveTree(tree.N, old.N, hashes)
			if err != nil {
				return "", fmt.Errorf("no proof from %d to %d: %v", old.N, tree.N, err)
			}
			if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
				return "", fmt.Errorf("from %d to %d: %v", old.N, tree.N, err)
			}
			consistencies++
		}
	}

	for first := int64(0); first < last.N; first += 1 << height {
		records, err := bundle(archive, first, last.N)
		if err != nil {
			return "", err
		}
		if err := hashes.learn(first, int64(len(records))); err != nil {
			return "", fmt.Errorf("records from %d: %v", first, err)
		}
		for i, record := range records {
			n := first + int64(i)
			proof, err := tlog.ProveRecord(last.N, n, hashes)
			if err != nil {
				return "", fmt.Errorf("no proof of record %d: %v", n, err)
			}
			if err := tlog.CheckRecord(proof, last.N, last.Hash, n, tlog.RecordHash(record)); err != nil {
				return "", fmt.Errorf("record %d: %v", n, err)
			}
		}
	}
	return fmt.Sprintf("holds: %d records, %d checkpoints, %d proofs of consistency",
		last.N, len(trees), consistencies), nil
}

// open reads a checkpoint whose note the log has signed.
func open(path string, verifier note.Verifier) (tlog.Tree, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := note.Open(bytes, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	// The checksum database writes another first line; the rest is the same.
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("no root hash")
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// memory keeps what the reader of tiles has answered: it reads and hashes whole tiles for each question. Nothing rests
// on its answers but proofs, which are then held against a signed root; the reader itself holds a tile against the
// root, but in golang.org/x/mod 0.7.0 not every one.
type memory struct {
	tiles tlog.HashReader
	known map[int64]tlog.Hash
}

func (m *memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var missing []int64
	for _, index := range indexes {
		if _, known := m.known[index]; !known {
			missing = append(missing, index)
		}
	}
	if len(missing) > 0 {
		hashes, err := m.tiles.ReadHashes(missing)
		if err != nil {
			return nil, err
		}
		for i, index := range missing {
			m.known[index] = hashes[i]
		}
	}
	var all []tlog.Hash
	for _, index := range indexes {
		all = append(all, m.known[index])
	}
	return all, nil
}

// learn asks for every complete subtree over a tile's records at once.
func (m *memory) learn(first, count int64) error {
	var indexes []int64
	for level := 0; level <= height; level++ {
		for n := first >> level; n < (first+count)>>level; n++ {
			indexes = append(indexes, tlog.StoredHashIndex(level, n))
		}
	}
	_, err := m.ReadHashes(indexes)
	return err
}

// tiles of an archive, each read once.
type tiles struct {
	archive string
	read    map[string][]byte
}

func (t *tiles) Height() int { return height }

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		// tile/8/LEVEL/… there, tile/LEVEL/… here, where no other height is.
		path := "tile" + strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d", height))
		data, known := t.read[path]
		if !known {
			var err error
			if data, err = os.ReadFile(filepath.Join(t.archive, filepath.FromSlash(path))); err != nil {
				return nil, err
			}
			t.read[path] = data
		}
		all = append(all, data)
	}
	return all, nil
}

// bundle reads the records from first on, at most a bundle of them, in a log of that size.
func bundle(archive string, first, size int64) ([][]byte, error) {
	tile := tlog.Tile{H: height, L: 0, N: first >> height, W: 1 << height}
	if size-first < 1<<height {
		tile.W = int(size - first)
	}
	path := "tile/entries" + strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/0", height))
	rest, err := os.ReadFile(filepath.Join(archive, filepath.FromSlash(path)))
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for len(rest) >= 2 {
		length := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; len(rest) < length {
			break
		}
		records, rest = append(records, rest[:length]), rest[length:]
	}
	if len(rest) > 0 || len(records) != tile.W {
		return nil, fmt.Errorf("%s: not %d records", path, tile.W)
	}
	return records, nil
}
