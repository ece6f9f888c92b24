//! The routes over a real socket.
