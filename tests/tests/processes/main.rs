//! The `althing` binary as processes of their own: what it promises whoever runs it.

mod abci;
mod bad_homes;
mod bad_peers;
mod bad_requests;
mod bench;
mod commands;
mod copies;
mod crashes;
mod dialect;
mod events;
mod evidence;
mod fates;
mod forks;
mod index;
mod kits;
mod limits;
mod rest;
mod testnet;
