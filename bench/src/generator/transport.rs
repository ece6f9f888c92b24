//! A connection that does not block, with or without TLS.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use rustix::net::sockopt::set_socket_linger;
use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};

/// A TCP connection, and the TLS on it.
pub(super) struct Transport {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Transport {
    /// Connects. On loopback the kernel answers immediately, while the listener has space in its queue.
    ///
    /// # Errors
    /// If no server listens.
    pub(super) fn connect(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        // Closing resets the connection. Otherwise it would occupy its port for another minute.
        set_socket_linger(&stream, Some(Duration::ZERO))?;
        let tls = tls.map(|config| {
            let name = ServerName::from(address.ip());
            Box::new(ClientConnection::new(config.clone(), name).expect("a configuration with a provider"))
        });
        Ok(Self { stream, tls })
    }

    /// Reads what has arrived. Returns 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` if nothing has arrived.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else { return self.stream.read(buffer) };
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            if tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
            // The next message of the handshake.
            self.flush()?;
        }
    }

    /// Writes as much as the socket takes; with TLS it keeps the rest itself.
    ///
    /// # Errors
    /// `WouldBlock` if the socket takes nothing.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.write(bytes) };
        let written = tls.writer().write(bytes)?;
        self.flush()?;
        Ok(written)
    }

    /// Writes what TLS has kept.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            match tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns whether TLS has something to write.
    pub(super) fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Returns a configuration that trusts one certificate authority, in PEM.
pub(crate) fn trusting(authority: &[u8]) -> Arc<ClientConfig> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority).expect("a certificate in PEM")).expect("a valid certificate");
    let builder = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().expect("versions of the provider");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}
