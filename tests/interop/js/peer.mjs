// A js-libp2p peer for the interoperability tests. Prints JSON lines; ends when its standard input does.
//
//   node --import ./shim.mjs peer.mjs listen            prints its address; answers ping, identify, gossip
//   node --import ./shim.mjs peer.mjs dial ADDRESS      pings ADDRESS, then gossips with it
//   node --import ./shim.mjs peer.mjs relay             the same as listen, and relays
//   node --import ./shim.mjs peer.mjs hidden RELAY      listens through RELAY only; prints the relayed address
//   node --import ./shim.mjs peer.mjs ping ADDRESS      pings ADDRESS, which may be a relayed one
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHash } from 'node:crypto'
import { createLibp2p } from 'libp2p'

const TOPIC = 'interop'
const MESSAGES = 200
const PAUSE_MS = 10
const [mode, target] = process.argv.slice(2)
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')

const listens = mode === 'hidden' ? [`${target}/p2p-circuit`] : mode === 'listen' || mode === 'relay' ? ['/ip4/127.0.0.1/tcp/0'] : []
const services = {
  identify: identify(),
  ping: ping(),
  pubsub: gossipsub({
    globalSignaturePolicy: 'StrictNoSign',
    allowPublishToZeroTopicPeers: true,
    msgIdFn: (message) => createHash('sha256').update(message.data).digest()
  })
}
if (mode === 'relay') services.relay = circuitRelayServer()
const node = await createLibp2p({
  addresses: { listen: listens },
  transports: [tcp(), circuitRelayTransport()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false },
  services
})

const received = new Set()
const { pubsub } = node.services
pubsub.addEventListener('message', ({ detail }) => {
  const text = new TextDecoder().decode(detail.data)
  if (text.startsWith('ours')) received.add(text)
})

async function gossip () {
  while (pubsub.getSubscribers(TOPIC).length === 0) await pause(PAUSE_MS)
  await pause(1500) // a heartbeat, so that both are in the other's mesh
  for (let number = 0; number < MESSAGES; number++) {
    await pubsub.publish(TOPIC, new TextEncoder().encode(`theirs ${number}`))
    await pause(PAUSE_MS)
  }
  while (received.size < MESSAGES) await pause(PAUSE_MS)
  say({ received: received.size })
}

if (mode === 'listen' || mode === 'relay') {
  if (mode === 'listen') pubsub.subscribe(TOPIC)
  process.stdout.write(node.getMultiaddrs()[0].toString() + '\n')
  if (mode === 'listen') await gossip()
} else if (mode === 'hidden') {
  while (node.getMultiaddrs().length === 0) await pause(PAUSE_MS)
  process.stdout.write(node.getMultiaddrs()[0].toString() + '\n')
} else {
  if (mode === 'dial') pubsub.subscribe(TOPIC)
  const connection = await node.dial(multiaddr(target))
  const milliseconds = await node.services.ping.ping(connection.remotePeer)
  let peer = await node.peerStore.get(connection.remotePeer)
  for (let tries = 0; tries < 200 && !(peer.protocols.length > 0 && peer.metadata.has('AgentVersion')); tries++) {
    await pause(PAUSE_MS)
    peer = await node.peerStore.get(connection.remotePeer)
  }
  const agent = new TextDecoder().decode(peer.metadata.get('AgentVersion') ?? new Uint8Array())
  say({ ping: milliseconds, agent, protocols: peer.protocols, relayed: connection.remoteAddr.toString().includes('p2p-circuit') })
  if (mode === 'dial') await gossip()
}
process.stdin.resume()
process.stdin.on('end', () => node.stop().then(() => process.exit(0)))
