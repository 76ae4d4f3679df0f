using System.Diagnostics.CodeAnalysis;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Postgres;

namespace Linformer.Coordinator.Tests.Storage;

public class PostgresErrorsTests
{
    private static readonly PostgresAddress Address = PostgresAddress.Parse("postgresql://linformer@db/linformer");

    [Fact]
    [SuppressMessage("Usage", "CA2201:Do not raise reserved exception types", Justification = "It is what the library throws.")]
    public void What_the_library_stumbles_over_when_its_connection_is_lost_is_tried_again_and_our_own_faults_are_not()
    {
        foreach (var exception in (Exception[])[new NullReferenceException { Source = "Npgsql" }, new InvalidOperationException { Source = "Npgsql" }, new IOException()])
            PostgresErrors.Explain(Address, exception).ShouldBeOfType<DatabaseUnreachableException>();
        foreach (var exception in (Exception[])[new NullReferenceException { Source = "Linformer.Coordinator" }, new InvalidOperationException()])
            PostgresErrors.Explain(Address, exception).ShouldBeNull();
    }
}
