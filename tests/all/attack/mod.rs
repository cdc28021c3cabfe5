//! Attacks, one file for each way.

mod audit;
mod budget;
mod endpoint;
mod escalation;
mod race;
