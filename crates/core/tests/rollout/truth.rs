//! What is said is what is: nothing is taken for done because one answer leaves it out, and what is
//! verified is how things are now.

mod absent;
mod everybody;
mod found;
mod left_out;
mod let_go;
mod place;
mod proved;
mod short;
mod theirs;
