//! althing
fn main() {}
