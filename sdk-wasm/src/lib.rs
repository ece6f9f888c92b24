#![doc = include_str!("../README.md")]

mod exports;
mod heap;
