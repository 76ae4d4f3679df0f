namespace Orleans.ContractTests;

/// <summary>An exception of the application, which says nothing to a serializer.</summary>
public sealed class OutOfPaperException(string message, int sheets) : Exception(message)
{
    public int Sheets { get; } = sheets;
}

public interface IFailingGrain : IGrainWithStringKey
{
    Task Fail(string how);

    Task<int> FailAtOnce();

    Task FailThrough(string other, string how);
}

public sealed class FailingGrain : Grain, IFailingGrain
{
    public async Task Fail(string how)
    {
        await Task.Yield();
        throw how switch
        {
            "argument" => new ArgumentException("no good", nameof(how)),
            "inner" => new InvalidOperationException("outer", new OutOfPaperException("inner", 2)),
            "cancelled" => new OperationCanceledException("given up"),
            _ => new OutOfPaperException("empty", 3),
        };
    }

    public Task<int> FailAtOnce() => throw new OutOfPaperException("at once", 1);

    public Task FailThrough(string other, string how) => GrainFactory.GetGrain<IFailingGrain>(other).Fail(how);
}

public class ExceptionTests(SiloFixture fixture) : IClassFixture<SiloFixture>
{
    private IFailingGrain Grain => fixture.Silo.Grains.GetGrain<IFailingGrain>("a");

    [Fact]
    public async Task An_exception_keeps_type_message_and_properties()
    {
        var exception = await Should.ThrowAsync<OutOfPaperException>(() => Grain.Fail("paper"));

        exception.Message.ShouldBe("empty");
        exception.Sheets.ShouldBe(3);
        exception.StackTrace.ShouldNotBeNull().ShouldContain(nameof(FailingGrain));
    }

    [Fact]
    public async Task An_exception_of_the_framework_keeps_type_and_message()
    {
        var exception = await Should.ThrowAsync<ArgumentException>(() => Grain.Fail("argument"));

        exception.ParamName.ShouldBe("how");
        exception.Message.ShouldStartWith("no good");
    }

    [Fact]
    public async Task An_inner_exception_arrives_too()
    {
        var exception = await Should.ThrowAsync<InvalidOperationException>(() => Grain.Fail("inner"));

        exception.InnerException.ShouldBeOfType<OutOfPaperException>().Sheets.ShouldBe(2);
    }

    [Fact]
    public async Task A_method_that_throws_before_its_first_await_fails_the_task()
    {
        (await Should.ThrowAsync<OutOfPaperException>(() => Grain.FailAtOnce())).Message.ShouldBe("at once");
    }

    [Fact]
    public async Task An_exception_passes_through_a_second_grain()
    {
        var exception = await Should.ThrowAsync<OutOfPaperException>(() => Grain.FailThrough("b", "paper"));

        exception.Sheets.ShouldBe(3);
    }

    [Fact]
    public async Task A_cancellation_inside_the_grain_arrives_as_one()
    {
        await Should.ThrowAsync<OperationCanceledException>(() => Grain.Fail("cancelled"));
    }

    [Fact]
    public async Task A_grain_serves_on_after_an_exception()
    {
        await Should.ThrowAsync<OutOfPaperException>(() => Grain.Fail("paper"));

        await Should.ThrowAsync<ArgumentException>(() => Grain.Fail("argument"));
    }
}
