//! A state beside a naive model of it, and under everything that is done to its files.

mod crash;
mod damage;
mod disk;
mod garbage;
mod model;
mod program;
mod trees;
mod witnesses;
