//! Graphs worked by hand, random graphs against naive answers, and files that are damaged.

mod builder;
mod damage;
mod hand;
mod naive;
mod shapes;
