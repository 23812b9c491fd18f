//! A TCP proxy that can cut what goes through it, hold it, or let questions through and lose the answers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const PASS: u8 = 0;
const CUT: u8 = 1;
const HOLD: u8 = 2;
const LOSE_ANSWERS: u8 = 3;

/// How often a connection without traffic looks whether it is to be cut.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Listens on a port of its own and hands everything on to another.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    mode: AtomicU8,
    /// Counted up at each change: a connection that has lost bytes ends then.
    changes: AtomicU64,
    ended: AtomicBool,
}

impl Proxy {
    /// A proxy in front of a port of this machine.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        Self::on(listener, port)
    }

    pub(crate) fn on(listener: TcpListener, to: u16) -> Self {
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            mode: AtomicU8::new(PASS),
            changes: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                if accepting.mode.load(Ordering::SeqCst) == CUT {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
                    continue;
                };
                let (there, back) = (Arc::clone(&accepting), Arc::clone(&accepting));
                thread::spawn(move || pump(&client, &server, &there, false));
                thread::spawn(move || pump(&server_too, &client_too, &back, true));
            }
        });
        Self { port, state }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything goes through. Connections that have lost something end.
    pub fn pass(&self) {
        self.set(PASS);
    }

    /// Connections end, and new ones do.
    pub fn cut(&self) {
        self.set(CUT);
    }

    /// Nothing goes through, and nobody is told.
    pub fn hold(&self) {
        self.set(HOLD);
    }

    /// What the server answers is lost.
    pub fn lose_answers(&self) {
        self.set(LOSE_ANSWERS);
    }

    fn set(&self, mode: u8) {
        self.state.mode.store(mode, Ordering::SeqCst);
        self.state.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.cut();
        // The thread that accepts looks only when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Hands bytes on until either side ends or the proxy is cut.
fn pump(mut from: &TcpStream, mut to: &TcpStream, state: &State, answers: bool) {
    let _ = from.set_read_timeout(Some(LOOK_EVERY));
    let mut buffer = vec![0; 64 << 10];
    let mut lost_at = None;
    loop {
        let changes = state.changes.load(Ordering::SeqCst);
        let mode = state.mode.load(Ordering::SeqCst);
        if mode == CUT || lost_at.is_some_and(|lost_at| lost_at != changes) {
            break;
        }
        if mode == HOLD {
            thread::sleep(LOOK_EVERY);
            continue;
        }
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        // It may have changed while this waited for bytes.
        while state.mode.load(Ordering::SeqCst) == HOLD {
            thread::sleep(LOOK_EVERY);
        }
        match state.mode.load(Ordering::SeqCst) {
            CUT => break,
            LOSE_ANSWERS if answers => lost_at = Some(state.changes.load(Ordering::SeqCst)),
            _ if to.write_all(&buffer[..count]).is_err() => break,
            _ => {}
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
