using Linformer.Coordinator.Storage.Postgres;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class PostgresAddressTests
{
    [Theory]
    [InlineData("postgresql://db/x%00")]
    [InlineData("postgresql://u%00:s3cr3t@db/x")]
    [InlineData("postgresql://u:s3cr3t%00@db/x")]
    [InlineData("postgresql://u:s3cr3t@db/x?host=%00")]
    [InlineData("postgresql://u:s3cr3t@db/x?host=")]
    public void A_part_that_cannot_be_is_an_error_of_the_address_without_its_password(string text) =>
        Should.Throw<FormatException>(() => PostgresAddress.Parse(text)).Message.ShouldNotContain("s3cr3t");

    [Theory]
    [InlineData("postgresql://ada:secret@db:6543/jobs", "postgresql://ada@db:6543/jobs")]
    [InlineData("postgres://ada@10.0.0.1/jobs?sslmode=verify-full", "postgresql://ada@10.0.0.1:5432/jobs")]
    [InlineData("postgresql://db", "postgresql://linformer@db:5432/linformer")]
    [InlineData("postgresql://a%40b:p%2Fw%3A%40@[::1]:5433/x", "postgresql://a@b@[::1]:5433/x")]
    [InlineData("postgresql:///x?host=/run/postgresql", "postgresql://linformer@[/run/postgresql]:5432/x")]
    public void An_address_is_read_and_shown_without_its_password(string text, string shown) => PostgresAddress.Parse(text).Display.ShouldBe(shown);

    [Theory]
    [InlineData("", "postgresql://USER")]
    [InlineData("db:5432", "postgresql://USER")]
    [InlineData("http://db/x", "postgresql://USER")]
    [InlineData("postgresql:///x", "host is missing")]
    [InlineData("postgresql://u:secret@db:99999/x", "postgresql://USER")]
    [InlineData("postgresql://u:secret@db/x?sslmode=maybe", "'maybe'")]
    [InlineData("postgresql://u:secret@db/x?colour=red", "'colour'")]
    public void What_is_no_address_is_refused_without_repeating_a_password(string text, string because)
    {
        var wrong = Should.Throw<FormatException>(() => PostgresAddress.Parse(text)).Message;
        wrong.ShouldContain(because);
        wrong.ShouldNotContain("secret");
    }
}
