//! What an attacker tried and may not get: one file for each way.

mod audit;
mod budget;
mod door;
mod escalation;
mod race;
