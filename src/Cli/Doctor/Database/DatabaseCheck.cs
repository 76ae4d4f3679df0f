using System.Data.Common;
using Linformer.Cli.Views;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Postgres;

namespace Linformer.Cli.Doctor.Database;

/// <summary>A PostgreSQL database for coordinators.</summary>
/// <param name="address">Where it is.</param>
internal sealed class DatabaseCheck(PostgresAddress address) : IDoctorCheck
{
    private const int LeastVersion = 13;
    private const int LeastConnections = 8;
    private static readonly TimeSpan LongRoundTrip = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan MostClockDifference = TimeSpan.FromSeconds(2);

    /// <inheritdoc/>
    public string Subject => $"Database {address}";

    /// <inheritdoc/>
    public string Name => "connection";

    /// <inheritdoc/>
    public TimeSpan Timeout => TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        PostgresInspection found;
        try
        {
            found = await PostgresInspection.OfAsync(address, cancellation);
        }
        catch (StorageException error)
        {
            findings.Problem("connection", error.Message, Advice(error));
            return;
        }

        findings.Ok("connection", $"in {found.Connecting.TotalMilliseconds:0} ms{(found.IsEncrypted ? ", encrypted" : "")}");
        findings.Judge(found.MajorVersion >= LeastVersion, "version", $"PostgreSQL {found.Version}", Verdict.Problem, $"Version {LeastVersion} or newer is needed.");
        findings.Judge(!found.IsReplica, "writing", found.IsReplica ? "this is a replica, which can only be read" : "possible", Verdict.Problem, "Name the primary server.");
        findings.Judge(found.MayCreate, "rights", found.MayCreate ? "the user may make tables" : "the user may not make tables", Verdict.Problem, "Make the user the owner of the database.");
        findings.Judge(
            found.FreeConnections >= LeastConnections, "connections", $"{Math.Max(0, found.FreeConnections)} are free", Verdict.Warning,
            "The active coordinator has 6, and each that stands by 1: raise max_connections, or end others.");
        findings.Judge(
            found.RoundTrip <= LongRoundTrip, "round trip", $"{found.RoundTrip.TotalMilliseconds:0.0} ms", Verdict.Warning,
            "Every change takes several: put coordinators and database nearer to each other.");
        findings.Judge(
            found.ClockAhead.Duration() <= MostClockDifference, "clock", ClockWords.Difference(found.ClockAhead, "the server's"), Verdict.Warning,
            "Leases go by the server's clock alone, but times in histories would not fit: let NTP set both clocks.");
        findings.Ok("size", Words.Bytes(found.Bytes));
        findings.Ok("coordinator", found.Coordinator ?? "none is active");
    }

    // The server's answer says where to look; without one, everything on the way comes into question.
    private static string Advice(Exception error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            switch ((cause as DbException)?.SqlState)
            {
                case "28P01":
                    return "Check user and password; a password's @ : / are written as %40 %3A %2F. PGPASSWORD and ~/.pgpass count where the address has none.";
                case "28000":
                    return "Make the user (CREATE ROLE … LOGIN), or let it and this machine in (pg_hba.conf).";
                case "3D000":
                    return "Make the database: CREATE DATABASE NAME OWNER USER.";
                case "53300":
                    return "Raise max_connections, or end others.";
            }
        }

        return "Check host and port; whether the server listens there and lets this machine in (pg_hba.conf); and any firewall between.";
    }
}
