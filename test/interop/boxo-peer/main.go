// Command boxo-peer is a Bitswap peer as kubo is one: go-libp2p, and the Bitswap of boxo over blocks in memory. It
// reads commands from its standard input and answers on its standard output, one JSON object a line, and ends with
// its input.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/boxo/bitswap"
	bsmsg "github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	unixfs "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// longestCommand is how many bytes a line of input may have.
const longestCommand = 1 << 28

// command is what a line of input says: which of the methods below to call, and what with.
type command struct {
	ID      int    `json:"id"`
	Command string `json:"command"`

	Blocks     [][]byte `json:"blocks"`
	Seed       uint64   `json:"seed"`
	SizeBytes  int64    `json:"sizeBytes"`
	ChunkBytes int64    `json:"chunkBytes"`
	Multiaddr  string   `json:"multiaddr"`
	Cid        string   `json:"cid"`
	Cids       []string `json:"cids"`
	TimeoutMs  int64    `json:"timeoutMs"`
}

// answer is a line of output: the value, or what went wrong.
type answer struct {
	ID    int    `json:"id"`
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

type fileAnswer struct {
	Cid       string `json:"cid,omitempty"`
	Sha256    []byte `json:"sha256"`
	SizeBytes int64  `json:"sizeBytes"`
}

// asked counts what others asked for, by kind of entry, however they spread it over messages.
type asked struct {
	blocks, haves, cancels atomic.Uint64
}

func (a *asked) MessageReceived(_ peer.ID, message bsmsg.BitSwapMessage) {
	for _, entry := range message.Wantlist() {
		switch {
		case entry.Cancel:
			a.cancels.Add(1)
		case entry.WantType == pb.Message_Wantlist_Have:
			a.haves.Add(1)
		default:
			a.blocks.Add(1)
		}
	}
}

func (a *asked) MessageSent(peer.ID, bsmsg.BitSwapMessage) {}

type boxoPeer struct {
	host     host.Host
	exchange *bitswap.Bitswap
	blocks   blockservice.BlockService
	dag      ipld.DAGService
	asked    *asked
}

func newBoxoPeer() (*boxoPeer, error) {
	host, err := libp2p.New(
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
	)
	if err != nil {
		return nil, err
	}
	store := blockstore.NewBlockstore(dssync.MutexWrap(ds.NewMapDatastore()))
	asked := new(asked)
	network := bsnet.NewFromIpfsHost(host)
	exchange := bitswap.New(context.Background(), network, nil, store, bitswap.WithTracer(asked))
	service := blockservice.New(store, exchange)
	return &boxoPeer{host, exchange, service, merkledag.NewDAGService(service), asked}, nil
}

// address is where the peer can be reached.
func (p *boxoPeer) address(context.Context, command) (any, error) {
	return map[string]string{
		"peerId":    p.host.ID().String(),
		"multiaddr": fmt.Sprintf("%s/p2p/%s", p.host.Addrs()[0], p.host.ID()),
	}, nil
}

// add keeps blocks; their CIDs are of version 1, raw, with SHA-256.
func (p *boxoPeer) add(ctx context.Context, c command) (any, error) {
	cids := make([]string, 0, len(c.Blocks))
	for _, data := range c.Blocks {
		node, err := merkledag.NewRawNodeWPrefix(data, merkledag.V1CidPrefix())
		if err != nil {
			return nil, err
		}
		if err := p.blocks.AddBlock(ctx, node); err != nil {
			return nil, err
		}
		cids = append(cids, node.Cid().String())
	}
	return cids, nil
}

// addFile keeps a UnixFS file of pseudo-random bytes, built as `ipfs add --cid-version=1` builds it.
func (p *boxoPeer) addFile(_ context.Context, c command) (any, error) {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], c.Seed)
	hash := sha256.New()
	content := io.TeeReader(io.LimitReader(rand.NewChaCha8(seed), c.SizeBytes), hash)
	params := helpers.DagBuilderParams{
		Dagserv:    p.dag,
		Maxlinks:   helpers.DefaultLinksPerBlock,
		RawLeaves:  true,
		CidBuilder: merkledag.V1CidPrefix(),
	}
	builder, err := params.New(chunk.NewSizeSplitter(content, c.ChunkBytes))
	if err != nil {
		return nil, err
	}
	root, err := balanced.Layout(builder)
	if err != nil {
		return nil, err
	}
	return fileAnswer{root.Cid().String(), hash.Sum(nil), c.SizeBytes}, nil
}

func (p *boxoPeer) connect(ctx context.Context, c command) (any, error) {
	info, err := peer.AddrInfoFromString(c.Multiaddr)
	if err != nil {
		return nil, err
	}
	return nil, p.host.Connect(ctx, *info)
}

// get fetches blocks in a session, all at once; they come back in the order they were named in.
func (p *boxoPeer) get(ctx context.Context, c command) (any, error) {
	wanted := make([]cid.Cid, len(c.Cids))
	for i, name := range c.Cids {
		var err error
		if wanted[i], err = cid.Decode(name); err != nil {
			return nil, err
		}
	}
	found := make(map[cid.Cid]blocks.Block, len(wanted))
	for block := range blockservice.NewSession(ctx, p.blocks).GetBlocks(ctx, wanted) {
		found[block.Cid()] = block
	}
	contents := make([][]byte, len(wanted))
	for i, cid := range wanted {
		block, ok := found[cid]
		if !ok {
			return nil, fmt.Errorf("%d of %d blocks came, not %s", len(found), len(wanted), cid)
		}
		contents[i] = block.RawData()
	}
	return contents, nil
}

// getFile reads a UnixFS file as `ipfs cat` does.
func (p *boxoPeer) getFile(ctx context.Context, c command) (any, error) {
	root, err := cid.Decode(c.Cid)
	if err != nil {
		return nil, err
	}
	session := merkledag.NewSession(ctx, p.dag)
	node, err := session.Get(ctx, root)
	if err != nil {
		return nil, err
	}
	reader, err := unixfs.NewDagReader(ctx, node, session)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, reader)
	return fileAnswer{Sha256: hash.Sum(nil), SizeBytes: size}, err
}

func (p *boxoPeer) stats(context.Context, command) (any, error) {
	stat, err := p.exchange.Stat()
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"blocksSent": stat.BlocksSent,
		"messages":   stat.MessagesReceived,
		"asked": map[string]uint64{
			"wantBlocks": p.asked.blocks.Load(),
			"wantHaves":  p.asked.haves.Load(),
			"cancels":    p.asked.cancels.Load(),
		},
	}, nil
}

func (p *boxoPeer) execute(c command) (any, error) {
	methods := map[string]func(context.Context, command) (any, error){
		"address": p.address,
		"add":     p.add,
		"addFile": p.addFile,
		"connect": p.connect,
		"get":     p.get,
		"getFile": p.getFile,
		"stats":   p.stats,
	}
	method, ok := methods[c.Command]
	if !ok {
		return nil, fmt.Errorf("unknown command %q", c.Command)
	}
	ctx := context.Background()
	if c.TimeoutMs > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(c.TimeoutMs)*time.Millisecond)
		defer cancel()
		ctx = limited
	}
	return method(ctx, c)
}

func run() error {
	p, err := newBoxoPeer()
	if err != nil {
		return err
	}
	var writing sync.Mutex
	output := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestCommand)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return err
		}
		// Each by itself: a fetch may take long, and others go on meanwhile.
		go func() {
			value, err := p.execute(c)
			result := answer{ID: c.ID, Value: value}
			if err != nil {
				result = answer{ID: c.ID, Error: err.Error()}
			}
			writing.Lock()
			defer writing.Unlock()
			_ = output.Encode(result)
		}()
	}
	return lines.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
